"""Commands that need the worker package."""
