"""Text encoders: prompts to the features that the network takes."""

from hymotion.conditioning import TextEncoder
from hymotion.text.subword import SubwordEmbedding, SubwordEncoder

__all__ = ["SubwordEmbedding", "SubwordEncoder", "TextEncoder"]
