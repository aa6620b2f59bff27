"""Writing motions to files, by the name of the format, and reading them back."""

from hymotion.export.bvh import write_bvh
from hymotion.export.format import FORMATS, Format
from hymotion.export.npz import Metadata, write_npz
from hymotion.export.recording import Recording, read_npz

__all__ = ["FORMATS", "Format", "Metadata", "Recording", "read_npz", "write_bvh", "write_npz"]
