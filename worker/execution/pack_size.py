"""How many motions a pack takes."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.domain.attempts import Claim
from jobs.domain.catalog import model_entry
from jobs.domain.routing import Demand

#: Most motions per pack, unless the settings or the memory allow fewer. On two CPU cores larger
#: packs gain nothing, and the first motion of a pack waits for its last.
CPU_PACK = 8
#: On an H100, packs of 128 motions of 100 frames take 2 to 6 % less time a motion than packs of 64,
#: and twice as many gain nothing (docs/performance.md). What counts are the frames.
CUDA_PACK = 128
CUDA_FRAMES = 12_800
#: Seconds in which an urgent pack should be sampled.
SOON = 0.2


class PackSize:
    """The most motions of packs, by memory, by what is fast, and by how urgent they are.

    Args:
        most: maximum number of motions.
        frames: maximum number of frames of all motions; None: no limit.
    """

    def __init__(self, *, most: int, frames: int | None) -> None:
        self._most = most
        self._frames = frames
        #: (model, mode) → the least seconds a frame so far.
        self._pace: dict[tuple[str, str], float] = {}

    def limit(self, head: Demand, room: int) -> int:
        """The most motions of a pack.

        Args:
            head: of its first job.
            room: bytes that the pack may take.
        """
        profile = model_entry(head.model).profiles[head.mode]
        most = min(self._most, profile.pack_limit(head.gib, room))
        if self._frames is not None:
            most = min(most, self._frames // head.frames)
        if head.urgent:
            pace = self._pace.get((head.model, head.mode), SOON)
            most = min(most, int(SOON / (pace * head.frames)))
        return max(1, most)

    def note(self, claims: Sequence[Claim], seconds: float) -> None:
        """Note how long a pack was sampled."""
        key = (claims[0].model, claims[0].mode)
        pace = seconds / sum(claim.frames for claim in claims)
        self._pace[key] = min(pace, self._pace.get(key, pace))
