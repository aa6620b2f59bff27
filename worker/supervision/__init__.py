"""Runs one machine: its worker processes, its embedded broker and the ownership of its home."""
