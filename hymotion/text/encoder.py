"""What a pipeline needs of a text encoder."""

from collections.abc import Sequence
from typing import Protocol

from hymotion.conditioning import TextConditioning


class TextEncoder(Protocol):
    """Encodes prompts, each by itself: the result does not depend on its neighbours."""

    def encode(self, prompts: Sequence[str]) -> list[TextConditioning]: ...
