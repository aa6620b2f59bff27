"""Loading a model: from a folder with weights, or one of the small ones that come along."""

from importlib import resources
from pathlib import Path

import torch

from hymotion.checkpoint import checkpoint_digest, read_checkpoint
from hymotion.config import RELEASED, ModelConfig, SubwordConfig
from hymotion.device import find_device, find_dtype
from hymotion.errors import CheckpointError, ConfigError
from hymotion.flow import FlowModel
from hymotion.initialisation import seed_weights, weights_sha256
from hymotion.pipeline import Identity, Pipeline
from hymotion.standing import standing
from hymotion.text import HashedEncoder, SubwordEmbedding, SubwordEncoder, TextEncoder
from hymotion.weights import file_sha256, read_weights

CHECKPOINT_FILE = "latest.ckpt"
WEIGHTS_FILE = "weights.safetensors"
TEXT_FILE = "text.safetensors"
VOCABULARY_FILE = "vocabulary.txt"

HASHED = "hashed"
"""The `llm_type` of models that take hashed word pieces."""


def load(
    folder: Path | str,
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    encoder: TextEncoder | None = None,
) -> Pipeline:
    """Load the model of a folder: `config.yml`, and `weights.safetensors` or `latest.ckpt`.

    Args:
        folder: of the files. With `text.safetensors` and `vocabulary.txt` where the model's text
            encoder was trained with it.
        device: "cpu", "cuda" or "cuda:<number>".
        dtype: "float32", "bfloat16" or "float16", for weights and network.
        encoder: turns prompts into features. Without one, requests must bring a conditioning,
            unless the model has its own.

    Raises:
        ConfigError, CheckpointError, DeviceError: each names what to mend.
    """
    path = Path(folder)
    where, kind = find_device(device), find_dtype(dtype)
    config = ModelConfig.read(path / "config.yml")
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        weights = path / CHECKPOINT_FILE
    flow = _empty(config)
    reader = read_weights if weights.name == WEIGHTS_FILE else read_checkpoint
    flow.load_state_dict(reader(weights, flow.state_dict()), strict=True, assign=True)
    _check_statistics(flow, weights)
    return Pipeline(
        identity=_identity(config, folder=path, weights=weights),
        config=config,
        flow=flow,
        encoder=encoder or _own_encoder(config, path),
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
    """Load a small model that comes with the package; its weights are drawn from a seed.

    Bundled models are untrained: they run the whole path in seconds, and their motions are
    somebody standing and swaying.

    Raises:
        ConfigError: no such name or mode, or the drawn weights are not the recorded ones.
        DeviceError: no such device or type.
    """
    where, kind = find_device(device), find_dtype(dtype)
    config, path = _bundled_config(name, mode)
    flow = seeded(config)
    if weights_sha256(flow) != config.weights_sha256:
        raise ConfigError(
            "the weights drawn from the seed are not the recorded ones",
            mend="Whoever changed the network sets a new revision and weights_sha256",
            path=path,
            key="weights_sha256",
        )
    return Pipeline(
        identity=Identity(
            model=name, mode=mode, revision=_stated_revision(config, path), trained=False
        ),
        config=config,
        flow=flow,
        encoder=_own_encoder(config, path),
        device=where,
        dtype=kind,
    )


def seeded(config: ModelConfig) -> FlowModel:
    """A network with weights from the config's seed and the statistics of somebody standing."""
    flow = FlowModel(config)
    seed_weights(flow, config.seed or 0)
    mean, std = standing()
    flow.mean.copy_(mean)
    flow.std.copy_(std)
    return flow


def _empty(config: ModelConfig) -> FlowModel:
    # On the meta device a network has shapes and no memory, so Full need not be held twice.
    with torch.device("meta"):
        return FlowModel(config)


def _bundled_config(name: str, mode: str) -> tuple[ModelConfig, Path]:
    root = resources.files("hymotion") / "models"
    known = sorted(
        f"{folder.name}/{entry.name.removesuffix('.yml')}"
        for folder in root.iterdir()
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(".yml")
    )
    if f"{name}/{mode}" not in known:
        raise ConfigError(
            f"there is no bundled model {name}/{mode}",
            mend=f"Choose one of {', '.join(known)}",
            path=None,
            key=None,
        )
    entry = root / name / f"{mode}.yml"
    path = Path(str(entry))
    return ModelConfig.parse(entry.read_text(encoding="utf-8"), path=path), path


def _stated_revision(config: ModelConfig, path: Path) -> str:
    if config.revision is None:
        raise ConfigError(
            "revision is missing",
            mend="Name the seeded weights with a revision of their own",
            path=path,
            key="revision",
        )
    return config.revision


def _own_encoder(config: ModelConfig, folder: Path) -> TextEncoder | None:
    if config.subword is not None:
        return _subword_encoder(config.subword, folder)
    if config.text_encoder != HASHED:
        return None
    return HashedEncoder(
        vtxt_dim=config.network.vtxt_input_dim,
        ctxt_dim=config.network.ctxt_input_dim,
        max_tokens=config.max_text_tokens,
    )


def _subword_encoder(config: SubwordConfig, folder: Path) -> SubwordEncoder:
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


def _identity(config: ModelConfig, *, folder: Path, weights: Path) -> Identity:
    network = config.network
    size = (network.feat_dim, network.num_layers, network.num_heads)
    return Identity(
        model=config.model or folder.resolve().name,
        mode=config.mode or RELEASED.get(size, "custom"),
        revision=config.revision or _digest(weights),
        trained=True if config.trained is None else config.trained,
    )


def _digest(weights: Path) -> str:
    if weights.name == WEIGHTS_FILE:
        return f"st-{file_sha256(weights)[:12]}"
    return f"ckpt-{checkpoint_digest(weights)}"


def _check_statistics(flow: FlowModel, weights: Path) -> None:
    sound = flow.mean.isfinite().all() and flow.std.isfinite().all() and (flow.std >= 0).all()
    if not sound:
        raise CheckpointError(
            "mean and std are not finite numbers with std ≥ 0",
            mend="Fetch the checkpoint from its publisher again",
            path=weights,
        )
