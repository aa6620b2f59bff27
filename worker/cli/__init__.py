"""Commands that need the worker room."""
