"""Text encoders: prompts to the features that the network takes."""

from hymotion.text.encoder import TextEncoder
from hymotion.text.hashed import HashedEncoder

__all__ = ["HashedEncoder", "TextEncoder"]
