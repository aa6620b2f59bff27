"""Pictures of motions: film strips, animations and contact sheets, drawn with Pillow alone."""

from hymotion.picture.animation import write_gif
from hymotion.picture.caption import Caption
from hymotion.picture.lettering import Lettering
from hymotion.picture.sheet import MOST, Entry, draw_sheet
from hymotion.picture.strip import draw_strip

__all__ = ["MOST", "Caption", "Entry", "Lettering", "draw_sheet", "draw_strip", "write_gif"]
