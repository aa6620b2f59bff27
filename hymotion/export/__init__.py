"""Writing motions to files in several formats, and reading them back."""

from hymotion.export.bvh import write_bvh
from hymotion.export.format import FORMATS, Format
from hymotion.export.glb import write_glb
from hymotion.export.names import JOINT_NAMES
from hymotion.export.npz import Metadata, write_npz
from hymotion.export.options import ExportOptions
from hymotion.export.recording import Recording, read_npz
from hymotion.export.retime import retimed

__all__ = [
    "FORMATS",
    "JOINT_NAMES",
    "ExportOptions",
    "Format",
    "Metadata",
    "Recording",
    "read_npz",
    "retimed",
    "write_bvh",
    "write_glb",
    "write_npz",
]
