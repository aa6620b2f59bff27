"""Rewrite prompts and estimate lengths with a language model before jobs are submitted."""
