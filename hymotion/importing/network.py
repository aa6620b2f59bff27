"""One mode's network: the published files to `config.yml` and `weights.safetensors`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor

from hymotion.config import ModelConfig
from hymotion.errors import ConfigError, TensorMismatchError
from hymotion.importing.causes import cause_of
from hymotion.importing.errors import SourceError, WrongWeightsError
from hymotion.importing.files import ModelFiles, model_files
from hymotion.importing.plan import Built, Step
from hymotion.importing.record import source_entry
from hymotion.importing.release import Release, size_of
from hymotion.importing.storage import digest, keep_only, link, store
from hymotion.importing.stream import OnBytes, digest_pieces, header_bytes, tensor_pieces
from hymotion.importing.tensors import SAFETENSORS, Weights, check_sums, open_weights
from hymotion.loading.checkpoint import check_statistics, check_tensors
from hymotion.loading.pages import release_of

CONFIG = "config.yml"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class NetworkPart:
    """A mode whose files were found and fit, as far as names, shapes and types tell.

    Attributes:
        name: of the mode.
        files: the user's.
        config: text of the `config.yml` to be installed.
        weights: the user's, mapped.
        tensors: the same in the network's order.
        linked: whether the weights file is linked to.
    """

    name: str
    files: ModelFiles
    config: str
    weights: Weights
    tensors: Mapping[str, Tensor]
    linked: bool

    @classmethod
    def check(cls, given: Path, mode: str, release: Release, *, link: bool) -> "NetworkPart":
        """Find a mode's files and compare them with the network.

        Args:
            given: the user's folder, or weights file.
            mode: "full" or "lite".
            release: that they should be of.
            link: whether to link to weights that have the very bytes that we would write.

        Raises:
            SourceError, ConfigError, CheckpointError, TensorMismatchError: they are not it; with
                the likely cause.
        """
        files = model_files(given, subfolder=release.subfolders[mode])
        config = ModelConfig.read(files.config)
        _check_size(files.config, config, mode, release)
        weights = open_weights(files.weights)
        expected = release.tensors(config, mode)
        _check_fit(weights, expected, config, mode, release)
        ordered = {name: cast("Tensor", weights.values[name]) for name in expected}
        text = _named_config(files.config, config, name=release.name, mode=mode)
        same = link and _same_bytes(weights, ordered)
        return cls(mode, files, text, weights, ordered, same)

    @property
    def folders(self) -> Sequence[Path]:
        """Of the files, and of the publisher's repository where that is one above."""
        folder = self.files.source.folder
        return (folder, folder.parent) if self.files.inner else (folder,)

    def steps(self) -> Sequence[Step]:
        """Weights, then the configuration."""
        read = sum(path.stat().st_size for path in self.weights.files)
        size = 0 if self.linked else self._size()
        action = "link" if self.linked else "convert"
        config = len(self.config.encode())
        return (
            Step(self.name, action, self.weights.path, f"{self.name}/{WEIGHTS}", size, read + size),
            Step(self.name, "copy", self.files.config, f"{self.name}/{CONFIG}", config, config),
        )

    def build(self, folder: Path, on_bytes: OnBytes | None) -> Built:
        """Convert or link the weights, write the configuration; raises `RoomError` as well."""
        for path in self.weights.files:
            check_sums(path)
        check_statistics(self.weights.path, self.tensors["mean"], self.tensors["std"])
        target = folder / WEIGHTS
        if self.linked:
            weights = link(target, self.weights.path, on_bytes=on_bytes)
            sources = {self.weights.path: weights}
        else:
            sources = {path: digest(path, on_bytes=on_bytes) for path in self.weights.files}
            weights = store(target, self._pieces(), wanted=self._size(), on_bytes=on_bytes)
        text = self.config.encode()
        config = store(folder / CONFIG, [text], wanted=len(text), on_bytes=on_bytes)
        keep_only(folder, (WEIGHTS, CONFIG))
        revision = f"st-{weights.sha256[:12]}"
        entry = {
            "folder": self.name,
            "revision": revision,
            "sha256": weights.sha256,
            "bytes": weights.bytes,
            "numbers": sum(tensor.numel() for tensor in self.tensors.values()),
            "config_sha256": config.sha256,
            "linked": self.linked,
        }
        source = source_entry(self.name, "weights", self.files.source, sources)
        return Built(revision, entry, (source,))

    def compare(self, on_bytes: OnBytes | None) -> str:
        """The revision that these weights have once they are installed."""
        return f"st-{digest_pieces(self._pieces(), on_bytes=on_bytes).sha256[:12]}"

    def _pieces(self) -> Iterator[bytes]:
        return tensor_pieces(self.tensors, release=release_of(self.weights.files))

    def _size(self) -> int:
        numbers = sum(tensor.nbytes for tensor in self.tensors.values())
        return len(header_bytes(self.tensors)) + numbers


def _check_size(path: Path, config: ModelConfig, mode: str, release: Release) -> None:
    """Refuse a configuration of another mode, or of another model."""
    found = release.mode_of(config)
    if found == mode:
        _check_widths(path, config, release)
        return
    if found is not None:
        raise SourceError(
            f"this is {found.title()}, given as {mode.title()}",
            mend=f"Give this folder with --{found}, and {mode.title()}'s own with --{mode}",
            path=path,
        )
    sizes = ", ".join(f"{name} {size}" for name, size in release.sizes.items())
    raise SourceError(
        f"its network is of size {size_of(config)}, which {release.name} has not ({sizes})",
        mend="Give the folder of the published model, unchanged",
        path=path,
    )


def _check_widths(path: Path, config: ModelConfig, release: Release) -> None:
    widths = (config.network.ctxt_input_dim, config.network.vtxt_input_dim)
    if widths != (release.ctxt_dim, release.vtxt_dim):
        raise ConfigError(
            f"it takes text features of widths {widths}, and {release.name}'s encoder gives "
            f"{(release.ctxt_dim, release.vtxt_dim)}",
            mend="Use the config.yml that was published with the checkpoint, unchanged",
            path=path,
            key="network_module_args.ctxt_input_dim",
        )


def _check_fit(
    weights: Weights,
    expected: Mapping[str, Tensor],
    config: ModelConfig,
    mode: str,
    release: Release,
) -> None:
    """Compare the file's tensors with the network's; raises `TensorMismatchError` with a cause."""
    try:
        check_tensors(weights.path, weights.values, expected)
    except TensorMismatchError as error:
        others = {name: release.tensors(config, name) for name in release.sizes if name != mode}
        cause = cause_of(weights.values, expected, mode=mode, others=others)
        if cause is None:
            raise
        raise WrongWeightsError(error, cause=cause.why, mend=cause.mend) from error


def _same_bytes(weights: Weights, ordered: Mapping[str, Tensor]) -> bool:
    """Whether the user's file has the bytes that we would write, and with them our revision."""
    if weights.path.suffix != SAFETENSORS:
        return False
    head = header_bytes(ordered)
    with weights.path.open("rb") as file:
        return file.read(len(head)) == head


def _named_config(path: Path, config: ModelConfig, *, name: str, mode: str) -> str:
    """The configuration with the model's name and mode, which the published one does not tell."""
    text = path.read_text(encoding="utf-8")
    added = [
        f"{key}: {value}"
        for key, value, told in (("model", name, config.model), ("mode", mode, config.mode))
        if told is None
    ]
    if not added:
        return text
    text = "\n".join((text.rstrip("\n"), "# added by hymo models import:", *added, ""))
    again = ModelConfig.parse(text, path=path)
    if (again.network, again.mode or mode) != (config.network, mode):
        raise SourceError(
            "it cannot be added to", mend="Use the config.yml as it was published", path=path
        )
    return text
