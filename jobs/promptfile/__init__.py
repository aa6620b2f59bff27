"""Prompt files: CSV, JSONL, and upstream's .txt and .json lists, read into job specs."""
