"""Loading weights from a folder of one or more safetensors files directly to a device.

Each tensor goes from the mapped file to the device, so the host never holds the whole model.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hymotion.errors import brief
from hymotion.parsing.safetensors_header import HeaderError, read_header
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
        """Map the files for the duration of the context.

        Args:
            folder: of the files.
            prefixes: prefixes that tensor names may have in the files; a full language model calls
                `layers.0` `model.layers.0`.

        Raises:
            EncoderFileError: there are no safetensors files, or one is damaged.
        """
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise EncoderFileError("has no *.safetensors", mend=MEND, path=folder)
        files: dict[str, safe_open] = {}
        with ExitStack() as stack:
            for path in paths:
                try:
                    read_header(path)
                    file = stack.enter_context(safe_open(path, framework="pt"))
                except (HeaderError, SafetensorError, OSError) as error:
                    problem = f"cannot be read ({brief(error)})"
                    raise EncoderFileError(problem, mend=MEND, path=path) from error
                files |= dict.fromkeys(file.keys(), file)
            yield cls(folder, files, prefixes)

    def check(self, module: nn.Module) -> None:
        """Check that the files hold every parameter of the module, with its shape.

        Raises:
            EncoderFileError: parameters are missing or differ; names the first.
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
        """Load the module's parameters from the files.

        Args:
            module: on the meta device.
            path: the module's name within the model, with a final dot, or "".
            device: of the loaded parameters.
            dtype: of the loaded parameters.

        Raises:
            EncoderFileError: a tensor is not a plain float, as in quantised files.
        """
        for owner, name, full in _parameters(module, path):
            tensor = self._tensor(full)
            if tensor.dtype not in FLOATS:
                problem = f"{full} is {tensor.dtype}; the model does not take quantised files"
                raise EncoderFileError(problem, mend=MEND, path=self._folder)
            # Move, then convert, so that the host never holds a converted copy.
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
