"""HY-Motion 1.0 as a library: text to motion for bodies of 22 joints.

    >>> import hymotion
    >>> pipeline = hymotion.load_bundled("tiny", "lite")
    >>> [motion] = pipeline.sample([hymotion.Request(frames=40, seed=1, prompt="a wave")])

Knows nothing of queues, databases or command lines. See docs/library.md.
"""

from hymotion import errors, export
from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY, Skeleton
from hymotion.conditioning import TextConditioning
from hymotion.config import ModelConfig
from hymotion.loading.model import load, load_bundled
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request
from hymotion.text import TextEncoder

__all__ = [
    "BODY",
    "ModelConfig",
    "Motion",
    "Pipeline",
    "Request",
    "Skeleton",
    "TextConditioning",
    "TextEncoder",
    "errors",
    "export",
    "load",
    "load_bundled",
]
