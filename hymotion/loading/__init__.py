"""Getting weights from disk."""

from hymotion.loading.model import load, load_bundled

__all__ = ["load", "load_bundled"]
