"""Loading a model: from a folder with weights, or one of the small ones that come along."""

from importlib import resources
from pathlib import Path

import torch

from hymotion.config import RELEASED, ModelConfig, SubwordConfig
from hymotion.device import find_device, find_precision
from hymotion.errors import CheckpointError, ConfigError
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


def load(
    folder: Path | str,
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    encoder: TextEncoder | None = None,
    revision: str | None = None,
) -> Pipeline:
    """Load the model of a folder: `config.yml`, and `weights.safetensors` or `latest.ckpt`.

    Args:
        folder: of the files. With `text.safetensors` and `vocabulary.txt` where the model's text
            encoder was trained with it.
        device: "cpu", "cuda" or "cuda:<number>".
        dtype: "float32", "tf32", "bfloat16" or "float16": see `docs/precision.md`.
        encoder: turns prompts into features. Without one, requests must bring a conditioning,
            unless the model has its own.
        revision: of the weights, from whoever knows it, such as an import that hashed the file;
            gigabytes are then not hashed again. None: it is told from the file.

    Raises:
        ConfigError, CheckpointError, DeviceError: each names what to mend.
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
    """Load a small model that comes with the package: see `models/tiny/full/MODEL_CARD.md`.

    Args:
        name: of the model; there is "tiny".
        mode: "full" or "lite".
        device: "cpu", "cuda" or "cuda:<number>".
        dtype: "float32", "tf32", "bfloat16" or "float16": see `docs/precision.md`.

    Raises:
        ConfigError: no such name or mode.
        CheckpointError: the weights are not those that the package came with.
        DeviceError: no such device or type.
    """
    folder = bundled_folder(name, mode)
    config = ModelConfig.read(folder / "config.yml")
    weights = folder / WEIGHTS_FILE
    if weights.is_file() and file_sha256(weights) != config.weights_sha256:
        raise CheckpointError(
            "the weights are not those that this version came with",
            mend="Install the package again; whoever trained new ones gives them a new revision",
            path=weights,
        )
    return load(folder, device=device, dtype=dtype)


def bundled_folder(name: str, mode: str) -> Path:
    """The folder of a model that comes with the package.

    Raises:
        ConfigError: there is none; names those there are.
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
    # On the meta device a network has shapes and no memory, so Full need not be held twice.
    with torch.device("meta"):
        return FlowModel(config)


def _move_ahead(flow: FlowModel, device: torch.device, dtype: torch.dtype, weights: Path) -> None:
    """Move what makes up most of a model a tensor at a time, and give back the file's pages.

    Else the whole file would be in memory beside what is made of it. The pipeline moves the rest,
    and knows what stays in float32.
    """
    network = flow.motion_transformer
    if (device.type, dtype) == ("cpu", torch.float32):
        return  # it is used where it is mapped
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
        vocabulary = listed.read_text(encoding="utf-8").split()
    except OSError as error:
        raise CheckpointError(
            f"the words that the model knows cannot be read ({error.strerror})",
            mend="Put the file back that was trained with the weights",
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
