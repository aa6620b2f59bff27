"""Speed benchmarks: `python -m benchmarks` prints a table and one JSON document.

Comparisons are made in one run on the same server and given as ratios, since absolute figures
depend on the machine (docs/benchmarks.md).
"""
