"""Weights of a folder with one or more safetensors files, straight to a device.

Each tensor is read from the mapped file and put where it belongs; the host never holds the model.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hymotion.text.errors import EncoderFileError

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
MEND = "Import the text encoder again from a complete folder of its publisher"
SHOWN = 3


class Shards:
    """The tensors of all `*.safetensors` files of a folder; see `open`."""

    def __init__(
        self, folder: Path, files: Mapping[str, safe_open], prefixes: Sequence[str]
    ) -> None:
        self._folder = folder
        self._files = files
        self._prefixes = ("", *prefixes)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, prefixes: Sequence[str]) -> "Iterator[Shards]":
        """Map the files while the context lasts.

        Args:
            folder: of the files.
            prefixes: what a tensor's name may have before it in the files; a whole language model
                calls `layers.0` `model.layers.0`.

        Raises:
            EncoderFileError: there are no such files, or one is damaged.
        """
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise EncoderFileError("has no *.safetensors", mend=MEND, path=folder)
        files: dict[str, safe_open] = {}
        with ExitStack() as stack:
            for path in paths:
                try:
                    file = stack.enter_context(safe_open(path, framework="pt"))
                except (SafetensorError, OSError) as error:
                    problem = f"cannot be read ({str(error).splitlines()[0]})"
                    raise EncoderFileError(problem, mend=MEND, path=path) from error
                files |= dict.fromkeys(file.keys(), file)
            yield cls(folder, files, prefixes)

    def check(self, module: nn.Module) -> None:
        """Every parameter of the module must be in the files, with its shape.

        Raises:
            EncoderFileError: names the first that differ.
        """
        missing, differing = [], []
        for name, parameter in module.named_parameters():
            found = self._name(name)
            if found is None:
                missing.append(name)
            elif (shape := self._shape(found)) != [*parameter.shape]:
                differing.append(f"{name} {shape}, not {[*parameter.shape]}")
        if missing or differing:
            shown = ", ".join([*missing, *differing][:SHOWN])
            problem = f"{len(missing)} tensors missing, {len(differing)} of another shape ({shown})"
            raise EncoderFileError(problem, mend=MEND, path=self._folder)

    def fill(
        self, module: nn.Module, *, path: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Give the module's parameters their numbers.

        Args:
            module: on the meta device.
            path: the module's own name within the model, with a final dot, or "".
            device: where the numbers go.
            dtype: which type they get.

        Raises:
            EncoderFileError: a tensor is no plain float, as in files that were quantised.
        """
        for owner, name, full in _parameters(module, path):
            tensor = self._tensor(full)
            if tensor.dtype not in FLOATS:
                problem = f"{full} is {tensor.dtype}; quantised files are not what the model takes"
                raise EncoderFileError(problem, mend=MEND, path=self._folder)
            # To the device first: the host never has a converted copy.
            weight = nn.Parameter(tensor.to(device).to(dtype), requires_grad=False)
            setattr(owner, name, weight)

    def _tensor(self, name: str) -> Tensor:
        found = self._name(name)
        if found is None:
            raise EncoderFileError(f"{name} is missing", mend=MEND, path=self._folder)
        tensor: Tensor = self._files[found].get_tensor(found)  # type: ignore[no-untyped-call]  # safetensors has no types here
        return tensor

    def _shape(self, found: str) -> list[int]:
        shape: list[int] = self._files[found].get_slice(found).get_shape()  # type: ignore[no-untyped-call]  # safetensors has no types here
        return shape

    def _name(self, name: str) -> str | None:
        keys = (f"{prefix}{name}" for prefix in self._prefixes)
        return next((key for key in keys if key in self._files), None)


def _parameters(module: nn.Module, path: str) -> Iterator[tuple[nn.Module, str, str]]:
    for inner, owner in module.named_modules(prefix=path.removesuffix(".")):
        for name, _ in [*owner.named_parameters(recurse=False)]:
            yield owner, name, f"{inner}.{name}" if inner else name
