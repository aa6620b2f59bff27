"""From normalised latents to motions: smoothing, forward kinematics, ground contact."""

from hymotion.decoding.decoder import Decoder, Pose

__all__ = ["Decoder", "Pose"]
