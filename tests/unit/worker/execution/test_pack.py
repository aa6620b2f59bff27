"""Running packs: phases, figures, and bad jobs that fail alone."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count

import pytest

from hymotion.errors import NumericsError
from jobs.domain.attempts import Claim, Features, MotionQuality, Run
from jobs.domain.states import Failure
from jobs.errors import OutageError
from tests.unit.worker.stub import StubEngine
from worker.engine.pool import LoadCost
from worker.engine.texts import PackTexts
from worker.errors import NotFiniteError
from worker.execution.finishing import MotionFinisher, Results
from worker.execution.pack import PackRunner
from worker.execution.save import discard, final_path


class Phases:
    """Counts the progress callbacks."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.phases = 0
        self.ticks = count()

    def step(self, step: int, total: int) -> None:
        self.steps.append((step, total))

    def phase(self) -> None:
        self.phases += 1

    def run(
        self,
        engine: StubEngine,
        claims: Sequence[Claim],
        *,
        load: LoadCost,
        texts: PackTexts | None = None,
        stopped: Callable[[Claim], bool] = lambda _: False,
    ) -> Results:
        """Sample a pack, then finish its motions."""
        clock = lambda: float(next(self.ticks))  # noqa: E731
        runner = PackRunner(on_step=self.step, on_phase=self.phase, stopped=stopped, clock=clock)
        sampled = runner.run(engine, claims, load=load, texts=texts)
        assert sampled.interruption is None
        results = Results(failures=sampled.failures)
        with closing(MotionFinisher(on_phase=self.phase, clock=clock)) as finisher:
            for part in sampled.parts:
                results += finisher.run(part, stopped=stopped)
        return results


@pytest.fixture
def phases() -> Phases:
    return Phases()


@pytest.fixture
def pack(claim: Callable[..., Claim]) -> Callable[[str], list[Claim]]:
    """Claims named by letters."""
    return lambda names: [claim(name, job_id=number) for number, name in enumerate(names, 1)]


def won(results: Results) -> str:
    return "".join(sorted(win.claim.custom_id for win in results.successes))


def lost(results: Results) -> dict[str, Failure]:
    unsaved = tuple(each.failure for each in results.unsaved)
    return {fail.claim.custom_id: fail.failure for fail in results.failures + unsaved}


def poison(name: str, error: Exception, phase: str = "encode") -> Callable[..., None]:
    def sabotage(now: str, claims: Sequence[Claim]) -> None:
        if now == phase and any(claim.custom_id == name for claim in claims):
            raise error

    return sabotage


def test_a_pack_goes_through_once(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    results = phases.run(stub, pack("abc"), load=LoadCost())
    assert won(results) == "abc"
    assert stub.packs == [["a", "b", "c"]]
    assert phases.steps == [(1, 2), (2, 2)]
    assert phases.phases == 3 + 3  # encode, sample, decode; each file


def test_shared_phases_are_counted_per_motion(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    results = phases.run(stub, pack("abcd"), load=LoadCost(8.0, 2))
    for win in results.successes:
        timings = win.timings
        assert (timings.load, timings.encode, timings.sample, timings.decode) == (
            2,
            0.25,
            0.25,
            0.25,
        )
        assert timings.save == 1  # of its own
        assert win.peak_memory_bytes == stub.peak_memory()
        assert [artifact.format for artifact in win.artifacts] == ["npz"]


def test_looking_a_text_up_counts_as_encoding_it(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    texts = PackTexts({}, seconds=3.0)
    results = phases.run(stub, pack("abcd"), load=LoadCost(), texts=texts)
    assert [win.timings.encode for win in results.successes] == [3.25] * 4


def test_loading_is_the_first_jobs_own(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    results = phases.run(stub, pack("abc"), load=LoadCost(8.0, 2))
    assert [win.run for win in results.successes] == [
        Run(dtype="float64", loads=2), Run(dtype="float64"), Run(dtype="float64")
    ]  # fmt: skip


def test_loading_is_booked_once_though_the_pack_is_halved(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and len(claims) > 1:
            raise MemoryError

    stub.sabotage = sabotage
    results = phases.run(stub, pack("abcd"), load=LoadCost(8.0, 2))
    assert [win.timings.load for win in results.successes] == [8, 0, 0, 0]
    assert [win.run.loads for win in results.successes] == [2, 0, 0, 0]


@pytest.mark.parametrize("phase", ["encode", "step", "decode", "measure", "write"])
@pytest.mark.parametrize("bad", "ag")
def test_a_poison_job_fails_alone(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]], phase: str, bad: str
) -> None:
    stub.sabotage = poison(bad, RuntimeError("poison"), phase)
    results = phases.run(stub, pack("abcdefg"), load=LoadCost())
    assert won(results) == "abcdefg".replace(bad, "")
    assert lost(results) == {bad: Failure.ERROR}
    assert "poison" in results.failures[0].error
    # Halving: twice the logarithm, not every job by itself.
    assert len(stub.packs) <= 7


def test_a_pack_too_large_for_memory_fits_in_parts(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and len(claims) > 2:
            raise MemoryError

    stub.sabotage = sabotage
    results = phases.run(stub, pack("abcde"), load=LoadCost())
    assert won(results) == "abcde"
    assert max(len(names) for names in stub.packs[1:]) <= 3


def test_a_job_too_large_by_itself_goes_to_a_larger_class(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    stub.sabotage = poison("b", MemoryError(), "step")
    results = phases.run(stub, pack("abc"), load=LoadCost())
    assert lost(results) == {"b": Failure.OUT_OF_MEMORY}
    assert results.failures[0].gib == 32
    assert results.failures[0].retry


def test_numerics_name_the_bad_jobs_so_nothing_is_halved(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        bad = [place for place, claim in enumerate(claims) if claim.custom_id in "bd"]
        if phase == "step" and bad:
            raise NumericsError(step=1, total=2, indices=bad)

    stub.sabotage = sabotage
    results = phases.run(stub, pack("abcde"), load=LoadCost(1.0, 1))
    assert won(results) == "ace"
    assert lost(results) == {"b": Failure.NUMERICS, "d": Failure.NUMERICS}
    assert stub.packs == [["a", "b", "c", "d", "e"], ["a", "c", "e"]]
    assert [(win.timings.load, win.run.loads) for win in results.successes] == [
        (pytest.approx(1 / 3), 1), (pytest.approx(1 / 3), None), (pytest.approx(1 / 3), None)
    ]  # fmt: skip


def test_loading_is_booked_on_the_first_that_succeeds(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    """The first half of the pack fails as a whole, and so does the first job of the second."""

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and claims[0].custom_id in "abc":
            raise RuntimeError("poison")

    stub.sabotage = sabotage
    results = phases.run(stub, pack("abcd"), load=LoadCost(8.0, 2))
    assert won(results) == "d"
    assert (results.successes[0].timings.load, results.successes[0].run.loads) == (8, 2)


def test_each_job_gets_the_quality_of_its_own_motion(
    stub: StubEngine, phases: Phases, claim: Callable[..., Claim]
) -> None:
    claims = [claim(name, job_id=place, prompt="x" * place) for place, name in enumerate("abc", 1)]
    results = phases.run(stub, claims, load=LoadCost())
    for win in results.successes:
        assert win.quality == MotionQuality(1.0, 2.0, float(win.claim.job_id))
        assert win.features == Features("stub-1", win.claim.job_id, win.claim.prompt.encode())


def test_motions_that_are_not_finite_fail_and_are_not_saved(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        bad = [place for place, claim in enumerate(claims) if claim.custom_id in "bd"]
        if phase == "measure" and bad:
            raise NotFiniteError(bad)

    stub.sabotage = sabotage
    claims = pack("abcde")
    results = phases.run(stub, claims, load=LoadCost())
    assert won(results) == "ace"
    assert lost(results) == {"b": Failure.NUMERICS, "d": Failure.NUMERICS}
    assert stub.packs == [["a", "b", "c", "d", "e"]]  # nothing is sampled again
    folder = final_path(claims[0], "npz").parent
    assert {path.name for path in folder.iterdir()} == {f".{name}_s0.npz.1.part" for name in "ace"}


def test_when_every_job_is_bad_every_job_fails(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        raise NumericsError(step=1, total=2, indices=range(len(claims)))

    stub.sabotage = sabotage
    results = phases.run(stub, pack("abc"), load=LoadCost())
    assert lost(results) == dict.fromkeys("abc", Failure.NUMERICS)
    assert results.successes == ()


def test_a_file_that_cannot_be_saved_holds_up_no_other(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    stub.sabotage = poison("b", OSError(errno.ENOSPC, "No space left on device"), "write")
    results = phases.run(stub, pack("abc"), load=LoadCost())
    assert won(results) == "ac"
    assert lost(results) == {"b": Failure.ERROR}
    (unsaved,) = results.unsaved
    assert "free space" in unsaved.failure.error
    assert unsaved.failure.timings.sample > 0  # the work was done, and its time is known
    stub.sabotage = poison("", OSError())
    saved = unsaved.save()
    assert saved.artifacts[0].path == str(final_path(saved.claim, "npz"))
    assert saved.timings.sample == unsaved.failure.timings.sample
    assert stub.packs == [["a", "b", "c"]]  # and it is not done again


def test_a_stopped_pack_ends_at_the_step(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    results = phases.run(stub, pack("ab"), load=LoadCost(), stopped=lambda _: bool(phases.steps))
    assert results == Results()
    assert phases.steps == [(1, 2)]
    assert len(stub.packs) == 1


@pytest.mark.parametrize("phase", ["step", "decode"])
def test_nothing_is_begun_with_stopped_jobs(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]], phase: str
) -> None:
    begun: list[str] = []

    def sabotage(now: str, claims: Sequence[Claim]) -> None:
        if now == phase:
            begun.append("".join(claim.custom_id for claim in claims))
            if len(claims) == 4 and (phases.steps or phase == "decode"):
                raise RuntimeError("once")

    stub.sabotage = sabotage
    results = phases.run(
        stub,
        pack("abcd"),
        load=LoadCost(),
        stopped=lambda claim: claim.custom_id in "bd" and bool(begun),
    )
    assert won(results) == "ac"
    assert list(dict.fromkeys(begun)) == ["abcd", "a", "c"]


def test_a_lost_database_is_no_fault_of_the_jobs(
    stub: StubEngine, pack: Callable[[str], list[Claim]]
) -> None:
    def gone(step: int, total: int) -> None:
        raise OutageError(300, "locked", "wait")

    with pytest.raises(OutageError):
        PackRunner(on_step=gone, on_phase=lambda: None).run(stub, pack("ab"), load=LoadCost())


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_ending_the_process_passes_the_fault_boundary(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]], signal: type
) -> None:
    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        raise signal

    stub.sabotage = sabotage
    with pytest.raises(signal):
        phases.run(stub, pack("ab"), load=LoadCost())


def test_a_failed_jobs_half_written_files_are_gone(
    stub: StubEngine, phases: Phases, pack: Callable[[str], list[Claim]]
) -> None:
    claims = pack("ab")
    stub.sabotage = poison("b", RuntimeError("cannot export"), "write")
    results = phases.run(stub, claims, load=LoadCost())
    assert won(results) == "a"
    discard(claims[0])
    assert list(final_path(claims[0], "npz").parent.iterdir()) == []
