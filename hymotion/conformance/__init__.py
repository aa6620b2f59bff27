"""Comparison of this package with golden fixtures of the published inference code."""
