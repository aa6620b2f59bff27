"""Readers of captures and retargeting: from files to clips on our body."""
