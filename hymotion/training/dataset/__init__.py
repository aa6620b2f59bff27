"""Building a dataset on disk from clips, and reading it."""
