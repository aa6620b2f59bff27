"""What actions are called."""
