"""The options of a worker process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobs.domain.catalog import CATALOG, MODES
from jobs.errors import SettingsError


@dataclass(frozen=True)
class WorkerOptions:
    """The flags of `hymo worker`.

    Attributes:
        device: "auto", "cpu", "cuda:N" or "N".
        name: None: made from host and device.
        memory_gib: budget; None: what the device suggests.
        modes: to serve.
        models: to serve; none: every installed or bundled one except those for tests.
        dtype: "auto", or what the networks are computed in.
        text_plan: "auto", or a value of `worker.planning.encoder_placement.EncoderPlacement`.
        quantise: "int8" or "int4" for a smaller language model; None: as published.
        threads: CPU threads; None: the cores near the device.
        parent: process id of the starter; the worker drains once that is gone. None: it has none.
    """

    device: str = "auto"
    name: str | None = None
    memory_gib: float | None = None
    modes: tuple[str, ...] = MODES
    models: tuple[str, ...] = ()
    dtype: str = "auto"
    text_plan: str = "auto"
    quantise: str | None = None
    threads: int | None = None
    parent: int | None = None


def names(flag: str, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """A comma-separated flag's values, each one of `known`, in the order of `known`.

    Raises:
        SettingsError: naming the flag and what may be given.
    """
    given = [part.strip() for part in text.split(",") if part.strip()]
    for name in given:
        if name not in known:
            raise SettingsError(flag, name, f"must be out of {', '.join(known)}")
    if not given:
        raise SettingsError(flag, text, f"give at least one of {', '.join(known)}")
    return tuple(name for name in known if name in given)


def modes(text: str, *, flag: str = "--modes") -> tuple[str, ...]:
    """`--modes` of `hymo worker`, `--serve` of `up` and `run`."""
    return names(flag, text, MODES)


def models(text: str | None) -> tuple[str, ...]:
    """`--models`; none where it was not given."""
    return () if text is None else names("--models", text, tuple(CATALOG))


def worker_options(
    asked: str, present: tuple[str, ...], each: WorkerOptions
) -> tuple[WorkerOptions, ...]:
    """One worker a device.

    Args:
        asked: `--devices`: "auto" for every GPU, or the CPU where there is none; else a list.
        present: names of this machine's devices, the CPU last.
        each: the other options, the same for every worker.

    Raises:
        SettingsError: the list names none.
    """
    if asked == "auto":
        chosen = present[:-1] or present
    else:
        chosen = tuple(part.strip() for part in asked.split(",") if part.strip())
    if not chosen:
        raise SettingsError("--devices", asked, f"give auto, or some of {', '.join(present)}")
    return tuple(replace(each, device=device) for device in dict.fromkeys(chosen))
