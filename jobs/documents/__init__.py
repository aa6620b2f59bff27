"""The documented JSON objects, free of click and rich."""
