"""A batch of finished jobs with files of synthetic motions, for preview and export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import hymotion
from hymotion.export import FORMATS
from jobs.domain.attempts import Claim, Failed, Success, Timings
from jobs.domain.batches import Artifact
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import stem
from jobs.domain.states import Failure
from jobs.store.store import Store
from tests.cli.rows import new_job, worker_card
from tests.unit.hymotion.figures import jumping, walking, waving

PROMPTS = {
    "wave": "a person waves with the left hand",
    "walk": "一个人向前走",
    "jump": "a person jumps up",
    "fall": "a person falls",
    "sit": "a person sits down",
}
MOTIONS: Mapping[str, Callable[[int], hymotion.Motion]] = {
    "wave": waving,
    "walk": walking,
    "jump": jumping,
}
FRAMES = 24


@contextmanager
def night(url: str, output: Path, batch: str = "night") -> Iterator[Store]:
    """A batch: three jobs done, one failed, one queued."""
    with Store.open(url) as store:
        made = store.batches.ensure(batch, source="night.csv", output=str(output))
        jobs = [
            new_job(
                name, prompt=prompt, model="tiny", revision="tiny-1", gib=1,
                formats=("bvh",) if name == "jump" else ("npz",),
            )
            for name, prompt in PROMPTS.items()
        ]  # fmt: skip
        store.batches.insert(made, jobs, attempt_limit=1)
        offer = Offer("w1", ("full",), ("tiny",), 24 * GIB)
        worker = store.workers.register(worker_card(offer))
        # One row stays queued.
        turn = {0: made.id - 1}
        claims = [
            claim
            for _ in range(4)
            for claim in store.claims.claim(worker, offer, limit=1, lease=1000, after=turn)
        ]
        done = [_success(claim, output) for claim in claims[:3]]
        store.completion.succeed(done, publish=lambda _: None)
        store.completion.fail(
            [Failed(claims[3], Failure.NUMERICS, "not finite", Timings())], backoff=lambda _: 0.0
        )
        yield store


def _success(claim: Claim, output: Path) -> Success:
    motion = MOTIONS[claim.custom_id](FRAMES)
    [name] = claim.formats
    path = output / claim.batch / f"{stem(claim.custom_id, claim.seed)}.{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[name].write(motion, path, {"prompt": claim.prompt, "seed": claim.seed})
    content = path.read_bytes()
    file = Artifact(name, str(path), len(content), hashlib.sha256(content).hexdigest())
    return Success(claim, Timings(), None, (file,))
