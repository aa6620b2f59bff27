"""A small model installed as `hymo models import` does it, with a text encoder that works."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from hymotion.importing import HY_MOTION, Importer, Release, Wanted
from hymotion.text.folder import Fingerprint
from tests.official import CTXT_DIM, MESSAGE, VTXT_DIM, make_clip, make_qwen

MINI = Path(__file__).parent / "golden" / "mini"
NAME = HY_MOTION.name

_DIGEST = hashlib.sha256(MESSAGE.encode()).hexdigest()
RELEASE: Release = replace(
    HY_MOTION,
    sizes={"full": (64, 3, 2)},
    ctxt_dim=CTXT_DIM,
    vtxt_dim=VTXT_DIM,
    system_message=Fingerprint(length=len(MESSAGE), begins=_DIGEST[:8], ends=_DIGEST[-4:]),
)
"""The golden network as Full, with an encoder of its widths."""


def install(home: Path, sources: Path) -> Path:
    """Import the golden network and a random text encoder under a home.

    Args:
        home: the HYMO_HOME.
        sources: an empty folder for what a user would have downloaded.

    Returns:
        The model's folder.
    """
    constants = sources / "clone" / "hymotion" / "network" / "text_encoders" / "model_constants.py"
    constants.parent.mkdir(parents=True)
    constants.write_text(f"PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = {MESSAGE!r}\n", "utf-8")
    importer = Importer(models=home / "models", release=RELEASE)
    wanted = Wanted(
        full=MINI,
        upstream=sources / "clone",
        qwen=make_qwen(sources / "qwen"),
        clip=make_clip(sources / "clip"),
    )
    return importer.run(importer.plan(wanted)).folder
