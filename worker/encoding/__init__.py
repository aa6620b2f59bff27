"""Text encoding as a phase of its own."""
