"""The `hymo` command line."""
