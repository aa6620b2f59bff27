"""What real clips measure: the figures beside which those of generated motions are read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hymotion.errors import MeasureError
from hymotion.metrics.frechet import Distance
from hymotion.metrics.level import Distribution, Level

SCHEMA = "hymotion.baseline/1"
SHIPPED = "baseline.json"


@dataclass(frozen=True, kw_only=True)
class ActionBaseline:
    """An action as real clips show it.

    Attributes:
        frames: typical length, 40 to 150.
        clips: real clips there are, not counting variants.
        held: (right, all) of the clips that the judge never saw; (0, 0) where there are none.
        quality: of the reference's clips of this action.
    """

    frames: int
    clips: int
    held: tuple[int, int]
    quality: Level


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The figures of real clips and of noise, from the same code as those of generated motions.

    Attributes:
        reference: revision of the reference they belong to.
        actions: by name, the judge's actions.
        quality: of the reference's clips, as many of each action.
        held: top-1 of the judge on clips that it never saw.
        rested: the same with rest before and after the action.
        pairs: share of sequences of two, spliced of real clips, recognised in order.
        noise: top-1 on noise: a judge has no "none of these".
        real_distance: held-out clips against a reference of training clips of the same actions.
        noise_distance: noise against the reference.
    """

    reference: str
    actions: Mapping[str, ActionBaseline]
    quality: Level
    held: float
    rested: float
    pairs: float
    noise: float
    real_distance: Distance
    noise_distance: Distance

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        document = {"schema": SCHEMA} | asdict(self)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """Read what `write` wrote.

        Raises:
            MeasureError: the file is absent, damaged, or of another version.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.pop("schema") != SCHEMA:
                raise _wrong(path, "its schema is another one")
            return cls(**_parsed(document))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _wrong(path, str(error)) from error


def load_baseline() -> Baseline:
    """The baseline that comes with this package, of its judge and its reference.

    Raises:
        MeasureError: the package lacks its file.
    """
    return Baseline.read(Path(str(files("hymotion.metrics") / SHIPPED)))


def _parsed(document: dict[str, Any]) -> dict[str, Any]:
    actions = {
        name: ActionBaseline(
            frames=one["frames"],
            clips=one["clips"],
            held=(one["held"][0], one["held"][1]),
            quality=_level(one["quality"]),
        )
        for name, one in document["actions"].items()
    }
    distances = {
        name: Distance(
            **document[name] | {side: tuple(document[name][side]) for side in ("clips", "windows")}
        )
        for name in ("real_distance", "noise_distance")
    }
    return document | distances | {"actions": actions, "quality": _level(document["quality"])}


def _level(numbers: dict[str, Any]) -> Level:
    return Level(**{name: Distribution(**spread) for name, spread in numbers.items()})


def _wrong(path: Path, problem: str) -> MeasureError:
    return MeasureError(
        f"{path}: no baseline can be read ({problem})",
        mend="Make one with python -m hymotion.evaluation.judge",
        field="path",
        value=path,
    )
