"""Motion files on disk: temporary names, atomic writes, reuse, the manifest."""
