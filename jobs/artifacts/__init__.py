"""Files on disk: temporary names, atomic writing, reuse, the manifest."""
