"""Speed, measured: `python -m benchmarks` prints a table and one JSON document.

Every comparison is made within one run, on the same server, and given as a ratio: absolute figures
belong to a machine (docs/benchmarks.md names it).
"""
