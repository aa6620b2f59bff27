"""The velocity field: a multimodal diffusion transformer over motion frames and text tokens."""

from hymotion.network.context import Context
from hymotion.network.field import VelocityField

__all__ = ["Context", "VelocityField"]
