"""The decisions of a worker before it loads anything."""
