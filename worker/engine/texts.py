"""The texts of a model whose encoder is apart: found in the store, or encoded on the spot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.engine.protocol import Encoded
from worker.errors import UnkeptError
from worker.planning.encoder_placement import EncoderPlacement

if TYPE_CHECKING:
    from hymotion.text.store import EmbeddingStore
    from worker.engine.pool import Encoder

log = logging.getLogger(__name__)

#: Where a text came from, as attempts record it.
HIT = "hit"
MADE = "made"


@dataclass(frozen=True)
class PackTexts:
    """The texts of a pack that were found before it is run.

    Attributes:
        found: prompt → its conditioning, of those that are encoded.
        seconds: of the look-up, for each job.
    """

    found: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class PromptFeatures:
    """Finds the texts of one model.

    Args:
        store: of embeddings.
        plan: of this worker; a resident encoder encodes here and now.
        encoder: the loaded encoder, of a plan that encodes.
    """

    def __init__(
        self, *, store: EmbeddingStore, plan: EncoderPlacement, encoder: Callable[[], Encoder]
    ) -> None:
        self.store = store
        self.plan = plan
        self._encoder = encoder

    def missing(self, prompts: Sequence[str]) -> list[str]:
        """Those that are not encoded yet, each once."""
        return [prompt for prompt in dict.fromkeys(prompts) if not self.store.has(prompt)]

    def find(self, prompts: Sequence[str]) -> dict[str, Any]:
        """The conditioning of each prompt that is encoded."""
        looked_up = ((prompt, self.store.get(prompt)) for prompt in dict.fromkeys(prompts))
        return {prompt: text for prompt, text in looked_up if text is not None}

    def complete(self, prompts: Sequence[str], found: dict[str, Any]) -> list[Encoded]:
        """The conditioning of each prompt of a pack.

        Args:
            prompts: of the pack.
            found: as `find` gave it. What is missing, which only a resident encoder lets into a
                pack, is encoded here and added.
        """
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in found]
        if missing:
            found |= self.encode(missing)
        sources = dict.fromkeys(missing, MADE)
        # The text is made once: only the first job of a pack that has it was kept waiting.
        return [Encoded(found[prompt], sources.pop(prompt, HIT)) for prompt in prompts]

    def encode(
        self, prompts: Sequence[str], *, on_batch: Callable[[int, int], None] | None = None
    ) -> dict[str, Any]:
        """Encode prompts and keep them; a resident worker goes on where they cannot be kept.

        Raises:
            UnkeptError: they cannot be kept, and are needed after the encoder is gone.
        """
        texts = self._encoder().encode(prompts, on_batch=on_batch)
        made = dict(zip(prompts, texts, strict=True))
        for prompt, text in made.items():
            self._keep(prompt, text)
        return made

    def _keep(self, prompt: str, text: Any) -> None:
        if self.store.put(prompt, text):
            return
        reason = self.store.problem or "nobody knows why"
        if self.plan is not EncoderPlacement.RESIDENT:
            raise UnkeptError(reason)
        log.warning("a text was encoded and could not be kept: %s", reason)
