"""A trained model as a folder that `hymotion.load` reads."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from hymotion.loading.model import TEXT_FILE, VOCABULARY_FILE, WEIGHTS_FILE
from hymotion.loading.safetensors_file import file_sha256, read_weights, write_weights
from hymotion.training.errors import TrainingError
from hymotion.training.fit.learner import Learner

FLOW, TEXT = "flow.", "text."
STATISTICS = ("mean", "std")


def write_model(
    folder: Path,
    state: Mapping[str, Tensor],
    *,
    config: str,
    vocabulary: Sequence[str],
    half: bool = True,
) -> None:
    """Write a learner's weights.

    Args:
        folder: to write to; made if need be.
        state: of a `Learner`, by name.
        config: text of the `config.yml`, whose revision and weights_sha256 are filled in.
        vocabulary: the known words, in the order of their numbers from 1 up.
        half: matrices in float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, name in ((FLOW, WEIGHTS_FILE), (TEXT, TEXT_FILE)):
        keys = [key for key in state if key.startswith(prefix)]
        part = {key.removeprefix(prefix): state[key] for key in keys}
        write_weights(folder / name, part, half=half)
    digest = file_sha256(folder / WEIGHTS_FILE)
    # A revision names these weights and no others, so the one that the config came with goes.
    lines = {"revision": f"st-{digest[:12]}", "weights_sha256": f'"{digest}"'}
    filled = config
    for key, value in lines.items():
        filled = re.sub(rf"^{key}:.*$", f"{key}: {value}", filled, flags=re.MULTILINE)
    (folder / "config.yml").write_text(filled, encoding="utf-8")
    (folder / VOCABULARY_FILE).write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


def read_model(folder: Path, learner: Learner, vocabulary: Sequence[str]) -> None:
    """Put the weights of a model into a learner of the same sizes, to train it further.

    The statistics stay the learner's, which are those of the frames it will see.

    Raises:
        CheckpointError: the files are absent, damaged, or of another network.
        TrainingError: the model knows other words.
    """
    listed = tuple((folder / VOCABULARY_FILE).read_text(encoding="utf-8").split())
    if listed != tuple(vocabulary):
        odd = sorted({*listed} ^ {*vocabulary})
        raise TrainingError(
            f"{folder} knows {len(listed)} words, the phrases have {len(vocabulary)}"
            f" ({', '.join(odd[:3])} …)",
            mend="Train from the start, without --init",
        )
    for module, name in ((learner.flow, WEIGHTS_FILE), (learner.text, TEXT_FILE)):
        state = read_weights(folder / name, module.state_dict())
        own = {key: value for key, value in module.state_dict().items() if key in STATISTICS}
        module.load_state_dict(state | own, strict=True)
