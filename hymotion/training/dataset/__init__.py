"""From clips to a dataset on disk."""
