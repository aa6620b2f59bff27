"""Getting weights from disk."""
