"""How things are shown to people."""
