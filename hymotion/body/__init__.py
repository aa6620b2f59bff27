"""The body and its motion."""
