"""Holding this package against golden fixtures of the published inference code."""
