"""Writing motions to files, by the name of the format."""

from hymotion.export.bvh import write_bvh
from hymotion.export.format import FORMATS, Format
from hymotion.export.npz import Metadata, write_npz

__all__ = ["FORMATS", "Format", "Metadata", "write_bvh", "write_npz"]
