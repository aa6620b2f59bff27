"""Loading a model from a folder, or one of the small models bundled with the package."""

from importlib import resources
from pathlib import Path

import torch

from hymotion.config import RELEASED, ModelConfig, SubwordConfig
from hymotion.device import find_device, find_precision
from hymotion.errors import CheckpointError, ConfigError, brief
from hymotion.loading.checkpoint import check_statistics, checkpoint_digest, read_checkpoint
from hymotion.loading.pages import release_of
from hymotion.loading.safetensors_file import file_sha256, read_weights
from hymotion.network.flow import FlowModel
from hymotion.pipeline import Identity, Pipeline
from hymotion.text import SubwordEmbedding, SubwordEncoder, TextEncoder

CHECKPOINT_FILE = "latest.ckpt"
WEIGHTS_FILE = "weights.safetensors"
TEXT_FILE = "text.safetensors"
VOCABULARY_FILE = "vocabulary.txt"

MAX_VOCABULARY = 16 * 2**20
"""Characters that are read of a vocabulary; a longer one does not fit its weights."""


def load(
    folder: Path | str,
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    encoder: TextEncoder | None = None,
    revision: str | None = None,
) -> Pipeline:
    """Load a model from a folder with `config.yml` and `weights.safetensors` or `latest.ckpt`.

    Args:
        folder: of the files; also holds `text.safetensors` and `vocabulary.txt` if the model
            comes with its own text encoder.
        device: "cpu", "cuda" or "cuda:<number>".
        dtype: "float32", "tf32", "bfloat16" or "float16": see `docs/precision.md`.
        encoder: text encoder. Without one, requests must have a conditioning, unless the model
            comes with its own encoder.
        revision: of the weights, if known, such as from an import that hashed the file; avoids
            hashing gigabytes again. None: computed from the file.

    Raises:
        ConfigError, CheckpointError: a file is missing, damaged or does not fit the others.
        DeviceError: the device or the type is unknown or absent.
    """
    path = Path(folder)
    where, kind = find_device(device), find_precision(dtype)
    kind.check(where)
    config = ModelConfig.read(path / "config.yml")
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        weights = path / CHECKPOINT_FILE
    flow = _empty(config)
    reader = read_weights if weights.name == WEIGHTS_FILE else read_checkpoint
    flow.load_state_dict(reader(weights, flow.state_dict()), strict=True, assign=True)
    check_statistics(weights, flow.mean, flow.std)
    _move_ahead(flow, where, kind.dtype, weights)
    return Pipeline(
        identity=_identity(config, folder=path, weights=weights, revision=revision),
        config=config,
        flow=flow,
        encoder=encoder or _own_encoder(config.subword, path),
        device=where,
        dtype=kind,
    )


def load_bundled(
    name: str = "tiny",
    mode: str = "full",
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
) -> Pipeline:
    """Load a small model bundled with the package; see `models/tiny/full/MODEL_CARD.md`.

    Args:
        name: of the model; only "tiny" exists.
        mode: "full" or "lite".
        device: "cpu", "cuda" or "cuda:<number>".
        dtype: "float32", "tf32", "bfloat16" or "float16": see `docs/precision.md`.

    Raises:
        ConfigError: there is no such name or mode.
        CheckpointError: the weights are not those of this package version.
        DeviceError: the device or the type is unknown or absent.
    """
    folder = bundled_folder(name, mode)
    config = ModelConfig.read(folder / "config.yml")
    weights = folder / WEIGHTS_FILE
    if weights.is_file() and file_sha256(weights) != config.weights_sha256:
        raise CheckpointError(
            "the weights are not those that this version came with",
            mend="Install the package again, or give newly trained weights a new revision",
            path=weights,
        )
    return load(folder, device=device, dtype=dtype)


def bundled_folder(name: str, mode: str) -> Path:
    """The folder of a bundled model.

    Raises:
        ConfigError: there is no such model; names those that exist.
    """
    root = Path(str(resources.files("hymotion") / "models"))
    known = {
        f"{path.parent.parent.name}/{path.parent.name}": path.parent
        for path in root.glob("*/*/config.yml")
    }
    if f"{name}/{mode}" not in known:
        raise ConfigError(
            f"there is no bundled model {name}/{mode}",
            mend=f"Choose one of {', '.join(sorted(known))}",
            path=None,
            key=None,
        )
    return known[f"{name}/{mode}"]


def _empty(config: ModelConfig) -> FlowModel:
    # The meta device has shapes but no memory, so Full is not held twice.
    with torch.device("meta"):
        return FlowModel(config)


def _move_ahead(flow: FlowModel, device: torch.device, dtype: torch.dtype, weights: Path) -> None:
    """Move the bulk of a model one tensor at a time and release the file's pages.

    Otherwise the whole file and its copy would be in memory together. The pipeline moves the
    rest, because it knows which parts stay in float32.
    """
    network = flow.motion_transformer
    if (device.type, dtype) == ("cpu", torch.float32):
        return  # the mapped tensors are used directly
    exact = {id(weight) for part in network.exact_parts for weight in part.parameters()}
    release = release_of([weights])
    for parameter in network.parameters():
        if id(parameter) not in exact:
            mapped = parameter.data
            parameter.data = mapped.to(device, dtype)
            release(mapped.data_ptr(), mapped.nbytes)


def _own_encoder(config: SubwordConfig | None, folder: Path) -> TextEncoder | None:
    if config is None:
        return None
    listed = folder / VOCABULARY_FILE
    try:
        with listed.open(encoding="utf-8") as file:
            vocabulary = file.read(MAX_VOCABULARY).split()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"the model's vocabulary cannot be read ({brief(error)})",
            mend="Restore the file that was trained with the weights",
            path=listed,
        ) from error
    with torch.device("meta"):
        embedding = SubwordEmbedding(config, words=len(vocabulary))
    state = read_weights(folder / TEXT_FILE, embedding.state_dict())
    embedding.load_state_dict(state, strict=True, assign=True)
    return SubwordEncoder(config=config, embedding=embedding, vocabulary=vocabulary)


def _identity(
    config: ModelConfig, *, folder: Path, weights: Path, revision: str | None
) -> Identity:
    network = config.network
    size = (network.feat_dim, network.num_layers, network.num_heads)
    return Identity(
        model=config.model or folder.resolve().name,
        mode=config.mode or RELEASED.get(size, "custom"),
        revision=revision or config.revision or _digest(weights),
        trained=True if config.trained is None else config.trained,
    )


def _digest(weights: Path) -> str:
    if weights.name == WEIGHTS_FILE:
        return f"st-{file_sha256(weights)[:12]}"
    return f"ckpt-{checkpoint_digest(weights)}"
