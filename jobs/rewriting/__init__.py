"""Prompts rewritten, and lengths estimated, by a language model before they are submitted."""
