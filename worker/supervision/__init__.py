"""One machine: its worker processes, its embedded broker, who owns its home."""
