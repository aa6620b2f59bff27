"""The composer: one process, one device."""
