"""Finished motions found by name and read back."""
