"""The configuration of a model, read from the `config.yml` that comes with its weights.

Only keys that affect inference are read; keys for training and upstream's class paths are ignored.
An unknown key inside `network_module_args` is refused, because it may change the architecture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any

from hymotion.errors import ConfigError, brief, shown
from hymotion.parsing.plain_data import MAX_YAML, PlainDataError, parse_yaml

FPS = 30
"""Frame rate, in frames per second, of every released model and of every motion written here."""

MIN_FRAMES = 20
"""The shortest motion, in frames, that the released models support."""

NARROWBAND_FRAMES = 60
"""Half-width, in frames, of the band within which frames attend to each other: 2.0 s at 30 fps."""

MAX_SIZE = 2**20
"""The largest size or number of a configuration; those of the released models are far smaller."""

MAX_LAYERS = 1000
"""The largest number of layers, since each of them takes time to build before weights are read."""

FRAME_WIDTH = 201
"""Values per frame: 3 translation, 22 × 6 rotation, 22 × 3 predicted joint positions."""

SUBWORD = "subword"
"""The `llm_type` of models that ship with a text encoder trained alongside them."""

PREDICTIONS = ("velocity", "clean", "preconditioned")
"""What a network predicts: the flow's velocity, as in the released models; the clean motion, from
which the velocity follows; or the clean motion minus its best linear estimate from the noisy one,
scaled to variance 1 (Karras et al. 2022)."""

RELEASED = {(1280, 27, 20): "full", (1024, 18, 16): "lite"}
"""(feat_dim, num_layers, num_heads) of each released model → its mode."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the velocity field.

    One third of the blocks are double-stream, two thirds single-stream. `time_factor` scales the
    flow time in [0, 1] before its sinusoidal embedding (except in the text refiner, which uses 1).
    `train_frames` is the position at which text tokens start in the rotary embedding.
    """

    feat_dim: int
    num_layers: int
    num_heads: int
    ctxt_input_dim: int
    vtxt_input_dim: int
    train_frames: int
    input_dim: int = FRAME_WIDTH
    mlp_ratio: float = 4.0
    time_factor: float = 1000.0
    narrowband: int = NARROWBAND_FRAMES

    @property
    def double_blocks(self) -> int:
        """Number of blocks with separate weights for motion and text."""
        return self.num_layers // 3

    @property
    def single_blocks(self) -> int:
        """Number of blocks that run on [motion, text] as one sequence."""
        return self.num_layers - self.double_blocks

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.feat_dim // self.num_heads

    @property
    def mlp_dim(self) -> int:
        """Width of the hidden layer of every MLP."""
        return int(self.feat_dim * self.mlp_ratio)


@dataclass(frozen=True)
class SubwordConfig:
    """Sizes of a text encoder that was trained with its model.

    Attributes:
        width: size of the vector of a word or of a subword piece.
        buckets: number of vectors that the pieces share by hashing.
        max_tokens: prompts are cut off after this many tokens.
        ctxt_dim: Dc, width of the token features.
        vtxt_dim: Dv, width of the pooled features.
    """

    width: int
    buckets: int
    max_tokens: int
    ctxt_dim: int
    vtxt_dim: int


@dataclass(frozen=True)
class ModelConfig:
    """A whole model: its network, how it is guided, and which text encoder it expects.

    `steps` and `guidance` are the defaults for sampling.

    `model`, `mode`, `revision` and `trained` identify the model; they are optional top-level keys,
    None where absent. `prediction` is also optional and defaults to that of the released models.
    `plant_feet` enables foot planting, which the released models' decoder does not do. `subword`
    has the sizes of the text encoder that ships with the model, if any.
    """

    network: NetworkConfig
    null_ctxt: bool
    text_encoder: str
    max_text_tokens: int
    steps: int
    guidance: float
    model: str | None = None
    mode: str | None = None
    revision: str | None = None
    trained: bool | None = None
    weights_sha256: str | None = None
    prediction: str = PREDICTIONS[0]
    plant_feet: bool = False
    subword: SubwordConfig | None = None

    @classmethod
    def read(cls, path: Path) -> "ModelConfig":
        """Read and validate a `config.yml`.

        Raises:
            ConfigError: the file is absent, is not YAML, or describes an unsupported network.
        """
        try:
            with path.open(encoding="utf-8") as file:
                # `parse` refuses what is longer.
                text = file.read(MAX_YAML + 1)
        except FileNotFoundError as error:
            raise ConfigError(
                "the file is missing",
                mend="Give the folder that holds config.yml and latest.ckpt",
                path=path,
                key=None,
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error
        return cls.parse(text, path=path)

    @classmethod
    def parse(cls, text: str, *, path: Path | None = None) -> "ModelConfig":
        """Validate the text of a `config.yml`; `path` is only used in error messages."""
        try:
            loaded = parse_yaml(text)
        except PlainDataError as error:
            raise _unreadable(path, error) from error
        top = _Section("", loaded, path)
        args = top.section("network_module_args")
        train = top.section("train_pipeline_args")
        encoder = train.section("text_encoder_cfg")
        _check_fps(train)
        network = _network(args, train.integer("train_frames", low=MIN_FRAMES))
        return cls(
            network=network,
            null_ctxt=train.boolean("enable_ctxt_null_feat"),
            text_encoder=encoder.string("llm_type"),
            max_text_tokens=encoder.integer("max_length_llm"),
            steps=train.section("infer_noise_scheduler_cfg").integer("validation_steps"),
            guidance=train.section("test_cfg").number("text_guidance_scale"),
            model=top.optional_string("model"),
            mode=top.optional_string("mode"),
            revision=top.optional_string("revision"),
            trained=top.boolean("trained") if top.has("trained") else None,
            weights_sha256=top.optional_string("weights_sha256"),
            prediction=_prediction(top),
            plant_feet=top.boolean("plant_feet") if top.has("plant_feet") else False,
            subword=_subword(encoder, network),
        )


class _Section:
    """One mapping of the file; its getters name the offending key in errors."""

    def __init__(self, name: str, value: object, path: Path | None) -> None:
        self.name = name
        self.path = path
        if not isinstance(value, Mapping):
            raise self.error(name or "the file", f"is {type(value).__name__}, not a mapping")
        self.value: Mapping[object, object] = value

    def error(self, key: str, problem: str) -> ConfigError:
        return ConfigError(
            f"{key} {problem}",
            mend="Use the config.yml that was published with the checkpoint, unchanged",
            path=self.path,
            key=key,
        )

    def full(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def has(self, key: str) -> bool:
        return key in self.value

    def get(self, key: str) -> object:
        if key not in self.value:
            raise self.error(self.full(key), "is missing")
        return self.value[key]

    def section(self, key: str) -> "_Section":
        return _Section(self.full(key), self.get(key), self.path)

    def checked(
        self, key: str, kinds: type | UnionType, fits: Callable[[Any], bool], what: str
    ) -> Any:
        value = self.get(key)
        if (
            isinstance(value, bool) != (kinds is bool)
            or not isinstance(value, kinds)
            or not fits(value)
        ):
            raise self.error(self.full(key), f"is {shown(value)}, not {what}")
        return value

    def integer(self, key: str, *, low: int = 1, high: int = MAX_SIZE) -> int:
        what = f"a whole number from {low} to {high}"
        return int(self.checked(key, int, lambda it: low <= it <= high, what))

    def number(self, key: str, *, high: float = MAX_SIZE) -> float:
        what = f"a number above 0 and up to {high}"
        return float(self.checked(key, int | float, lambda it: 0 < it <= high, what))

    def boolean(self, key: str) -> bool:
        return bool(self.checked(key, bool, lambda _: True, "true or false"))

    def string(self, key: str) -> str:
        return str(self.checked(key, str, bool, "text"))

    def optional_string(self, key: str) -> str | None:
        return self.string(key) if self.has(key) else None


def _unreadable(path: Path | None, error: Exception) -> ConfigError:
    return ConfigError(
        f"it cannot be read as YAML ({brief(error)})",
        mend="Fetch the config.yml that was published with the checkpoint again",
        path=path,
        key=None,
    )


def _network(args: _Section, train_frames: int) -> NetworkConfig:
    known = {field.name for field in fields(NetworkConfig)} - {"train_frames", "narrowband"}
    fixed = {"apply_rope_to_single_branch": False, "mask_mode": "narrowband"}
    for key, only in fixed.items():
        if args.get(key) != only:
            raise args.error(
                args.full(key), f"is {shown(args.get(key))}; only {only!r} is supported"
            )
    # Dropout only acts during training, so any value gives the same network here.
    unknown = [key for key in args.value if key not in known | set(fixed) | {"dropout"}]
    if unknown:
        raise args.error(args.full(brief(unknown[0])), "is not a key of the released networks")
    scales = ("mlp_ratio", "time_factor")
    sizes: dict[str, Any] = {key: args.integer(key) for key in sorted(known.difference(scales))}
    args.integer("num_layers", high=MAX_LAYERS)
    sizes |= {key: args.number(key) for key in scales}
    network = NetworkConfig(train_frames=train_frames, **sizes)
    if network.input_dim != FRAME_WIDTH:
        raise args.error("network_module_args.input_dim", f"is not {FRAME_WIDTH}")
    if network.num_layers % 3:
        raise args.error("network_module_args.num_layers", "is not a multiple of 3")
    if network.feat_dim % (2 * network.num_heads):
        raise args.error("network_module_args.num_heads", "does not cut feat_dim into even heads")
    return network


def _prediction(top: _Section) -> str:
    found = top.optional_string("prediction") or PREDICTIONS[0]
    if found not in PREDICTIONS:
        raise top.error("prediction", f"is {shown(found)}, not one of {', '.join(PREDICTIONS)}")
    return found


def _subword(encoder: _Section, network: NetworkConfig) -> SubwordConfig | None:
    if encoder.get("llm_type") != SUBWORD:
        return None
    return SubwordConfig(
        width=encoder.integer("width"),
        buckets=encoder.integer("buckets"),
        max_tokens=encoder.integer("max_length_llm"),
        ctxt_dim=network.ctxt_input_dim,
        vtxt_dim=network.vtxt_input_dim,
    )


def _check_fps(train: _Section) -> None:
    if train.integer("output_mesh_fps") != FPS:
        raise train.error("train_pipeline_args.output_mesh_fps", f"is not {FPS}")
