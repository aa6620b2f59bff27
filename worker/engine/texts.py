"""The texts of a model with a separate encoder: read from the store, or encoded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.engine.protocol import Encoded
from worker.errors import EmbeddingNotStoredError
from worker.planning.encoder_placement import EncoderPlacement

if TYPE_CHECKING:
    from hymotion.text.store import EmbeddingStore
    from worker.engine.pool import Encoder

log = logging.getLogger(__name__)

#: The origin of a text, as attempts record it.
HIT = "hit"
MADE = "made"


@dataclass(frozen=True)
class PackTexts:
    """The stored texts of a pack, looked up before it runs.

    Attributes:
        found: prompt → its conditioning, if it is stored.
        seconds: duration of the look-up, per job.
    """

    found: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class PromptFeatures:
    """Looks up and encodes the texts of one model.

    Args:
        store: the embedding store.
        plan: the encoder placement of this worker.
        encoder: returns the encoder, loaded; called only if the plan encodes.
    """

    def __init__(
        self, *, store: EmbeddingStore, plan: EncoderPlacement, encoder: Callable[[], Encoder]
    ) -> None:
        self.store = store
        self.plan = plan
        self._encoder = encoder

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """The prompts that are not stored, without duplicates."""
        return [prompt for prompt in dict.fromkeys(prompts) if not self.store.has(prompt)]

    def find(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Prompt → its conditioning, for the prompts that are stored."""
        looked_up = ((prompt, self.store.get(prompt)) for prompt in dict.fromkeys(prompts))
        return {prompt: text for prompt, text in looked_up if text is not None}

    def complete(self, prompts: Sequence[str], found: dict[str, Any]) -> list[Encoded]:
        """The conditioning of each prompt of a pack.

        Args:
            prompts: the prompts of the pack.
            found: the result of `find`. Missing texts are encoded and added; only workers with a
                resident encoder run packs with missing texts.
        """
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        if missing:
            found |= self.encode(missing)
        sources = dict.fromkeys(missing, MADE)
        # A text is encoded once, so only its first job in the pack is recorded as `MADE`.
        return [Encoded(found[prompt], sources.pop(prompt, HIT)) for prompt in prompts]

    def encode(
        self, prompts: Sequence[str], *, on_batch: Callable[[int, int], None] | None = None
    ) -> dict[str, Any]:
        """Encode prompts and store them. A resident encoder continues if storing fails.

        Raises:
            EmbeddingNotStoredError: storing failed, and the encoder will be unloaded.
        """
        texts = self._encoder().encode(prompts, on_batch=on_batch)
        made = dict(zip(prompts, texts, strict=True))
        for prompt, text in made.items():
            self._keep(prompt, text)
        return made

    def _keep(self, prompt: str, text: Any) -> None:
        if self.store.put(prompt, text):
            return
        reason = self.store.problem or "unknown reason"
        if self.plan is not EncoderPlacement.RESIDENT:
            raise EmbeddingNotStoredError(reason)
        log.warning("an encoded text could not be stored: %s", reason)
