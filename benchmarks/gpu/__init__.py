"""Benchmarks for a machine with an NVIDIA GPU."""
