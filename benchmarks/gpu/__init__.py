"""Benchmarks for a machine with an NVIDIA GPU: torch, transformers and numerics, nothing else."""
