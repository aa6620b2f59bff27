"""From normalised latents to motions: smoothing, forward kinematics, ground contact."""

from hymotion.decoding.decoder import Decoder

__all__ = ["Decoder"]
