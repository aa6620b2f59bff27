"""Output of the commands: tables, JSON, CSV, notes and progress."""
