"""The doctor's checks of installed models: their files, their text encoder, the texts it encoded.

Nothing is loaded or hashed: `hymo models verify` does that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from jobs.domain.installed import Installed, InstalledModel
from jobs.domain.memory import GB, GIB
from jobs.errors import ModelRecordError
from jobs.settings import Settings
from worker.doctor.finding import Finding, Health
from worker.doctor.probe import probe

#: Computes the published models' texts; an extra of this package.
LIBRARY = "transformers"
#: What the import of a model's text encoder is called with.
TEXT_PARTS = "hymo models import --qwen DIR --clip DIR --upstream DIR"


def models(settings: Settings, *, little: int) -> Iterator[Finding]:
    """Findings on each installed model, the library of their encoder, and the encoded texts.

    Args:
        settings: with the home and the folder of encoded texts.
        little: bytes of free space that are too few for a night.
    """
    try:
        installed = list(Installed.read(settings.home).models.values())
    except ModelRecordError as error:
        found, _, mend = str(error).rpartition(": ")
        yield Finding("model", Health.BAD, found, mend)
        return
    for model in installed:
        yield _model(model)
    if any(model.text is not None and model.text.folder is not None for model in installed):
        yield _library()
    if installed or settings.texts.is_dir():
        yield _texts(settings, little)


def _model(model: InstalledModel) -> Finding:
    modes = ", ".join(f"{name} {mode.bytes / GB:.1f} GB" for name, mode in model.modes.items())
    found = f"{model.name}: {modes or 'no weights'}; {_encoder(model)}"
    lost = next((fault for fault in _lost(model)), None)
    if lost is not None:
        mend = f"import it again, or `hymo models remove {model.name}`"
        return Finding("model", Health.BAD, f"{found}; {lost}", mend)
    if model.text is None:
        mend = (
            f"`{TEXT_PARTS}`, or --text-revision with that of the machine that encodes: "
            "no worker here serves it without"
        )
        return Finding("model", Health.WARNING, found, mend)
    return Finding("model", Health.OK, found)


def _encoder(model: InstalledModel) -> str:
    text = model.text
    if text is None:
        return "who encodes its texts is not known"
    if text.folder is None:
        return f"texts are encoded elsewhere, with {text.revision}"
    return f"text encoder {text.revision}, {text.bytes / GB:.1f} GB"


def _lost(model: InstalledModel) -> Iterator[str]:
    """What is not there any more, or not as large: the user's own files behind links may move."""
    sizes = {each.folder / "weights.safetensors": each.bytes for each in model.modes.values()}
    for path, _ in model.sums():
        try:
            size = path.stat().st_size
        except OSError as error:
            gone = "a link to what is gone" if path.is_symlink() else error.strerror or str(error)
            yield f"{path}: {gone}"
            continue
        if size != sizes.get(path, size):
            yield f"{path} has {size} bytes, {sizes[path]} were imported"


def _library() -> Finding:
    try:
        there = find_spec(LIBRARY) is not None
        found = f"{LIBRARY} {version(LIBRARY)}, for the text encoder"
    except PackageNotFoundError:
        there = False
    if not there:
        mend = "pip install 'hymo[official]'"
        return Finding("encoder", Health.BAD, f"{LIBRARY} is not installed", mend)
    return Finding("encoder", Health.OK, found)


def _texts(settings: Settings, little: int) -> Finding:
    folder, most = settings.texts, round(settings.embeddings_gib * GIB)
    existing, fault = probe(folder)
    if fault is not None:
        mend = "give this user a folder to write in, or set HYMO_EMBEDDINGS"
        return Finding("texts", Health.BAD, fault, mend)
    count, size = _stored(folder)
    free = shutil.disk_usage(existing).free
    found = (
        f"{folder}, {count} encoded, {size / GIB:.1f} of at most {most / GIB:.3g} GiB, "
        f"{free / GIB:.1f} GiB free"
    )
    if free < max(little, most - size):
        mend = "free some space, or let it grow less: HYMO_EMBEDDINGS_GIB"
        return Finding("texts", Health.WARNING, found, mend)
    return Finding("texts", Health.OK, found)


def _stored(folder: Path) -> tuple[int, int]:
    """How many texts are stored in a folder, and their bytes."""
    from hymotion.text.sweeper import ENTRY

    count = size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            if name.endswith(ENTRY):
                try:
                    size += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118  # many
                except FileNotFoundError:
                    continue  # removed meanwhile: it was not used for longest
                count += 1
    return count, size
