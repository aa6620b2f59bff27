"""Readers of motion capture files, and retargeting to our body."""
