"""Names of devices and number types, checked."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hymotion.errors import DeviceError

AMPERE = (8, 0)
"""The first compute capability with TensorFloat-32, and with torch's kernel for int4."""


@dataclass(frozen=True)
class Precision:
    """What the network computes in. Latents, solver and decoding are float32 or wider.

    Attributes:
        name: as asked for.
        dtype: what the weights are kept in.
        tf32: whether products of float32 numbers may round their factors to TensorFloat-32, ten
            bits after the point instead of 23.
    """

    name: str
    dtype: torch.dtype
    tf32: bool = False

    def check(self, device: torch.device) -> None:
        """Refuse a precision that the device would silently compute otherwise.

        Raises:
            DeviceError: TensorFloat-32 on a device that has none.
        """
        if not self.tf32:
            return
        if device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE:
            return
        raise DeviceError(
            f"{device} has no TensorFloat-32", mend="Use float32 there, or a GPU from Ampere on"
        )

    @contextmanager
    def products(self) -> Iterator[None]:
        """Multiply float32 numbers as this precision says, whatever the process is set to.

        The setting is the process's own, and is put back; other threads see it meanwhile.
        """
        with ExitStack() as stack:
            for setting in _float32_settings():
                stack.enter_context(setting.of(tf32=self.tf32))
            yield


PRECISIONS = {
    each.name: each
    for each in (
        Precision("float32", torch.float32),
        Precision("tf32", torch.float32, tf32=True),
        Precision("bfloat16", torch.bfloat16),
        Precision("float16", torch.float16),
    )
}
"""What a model can be loaded in, by name."""

DTYPES = {each.name: each.dtype for each in PRECISIONS.values() if not each.tf32}
"""The types weights can be kept in, by name."""


@contextmanager
def attention() -> Iterator[None]:
    """Attention by any kernel but cuDNN's.

    That one plans each new shape for some tenths of a second (torch 2.11 on an H100), and here
    nearly every pack and every prompt has a shape of its own; planned, it is no faster.
    """
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield


def find_device(name: str | torch.device) -> torch.device:
    """The torch device of a name such as "cpu" or "cuda:0".

    Raises:
        DeviceError: no such name, or no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"{name!r} is no device", mend='Use "cpu", "cuda" or "cuda:<number>"'
        ) from error
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= count:
        raise DeviceError(
            f"there is no {device} here, only {count} CUDA devices",
            mend='Use "cpu", or look at CUDA_VISIBLE_DEVICES and at the torch build',
        )
    return device


def find_precision(name: str) -> Precision:
    """The precision of a name.

    Raises:
        DeviceError: no such name.
    """
    if name not in PRECISIONS:
        raise DeviceError(f"{name!r} is no precision", mend=f"Use one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def find_dtype(name: str) -> torch.dtype:
    """The torch type of a name; "tf32" is no type, only a way to multiply float32.

    Raises:
        DeviceError: no such name.
    """
    if name not in DTYPES:
        raise DeviceError(f"{name!r} is no number type", mend=f"Use one of {', '.join(DTYPES)}")
    return DTYPES[name]


@contextmanager
def one_thread() -> Iterator[None]:
    """Small matrices on one thread: more gain nothing, and on a busy machine they block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Backend(Protocol):
    """A library's switch for products of float32 numbers, from torch 2.9 on."""

    fp32_precision: str


@dataclass(frozen=True)
class _Switch:
    """One backend's switch.

    torch 2.9 brought a switch for each library and warns of the one for all; mixing the two is
    an error where the old one is read, so only one kind is ever touched.
    """

    backend: _Backend
    has_tf32: bool

    @contextmanager
    def of(self, *, tf32: bool) -> Iterator[None]:
        before = self.backend.fp32_precision
        wanted = "tf32" if tf32 and self.has_tf32 else "ieee"
        # "none" is full precision too, and what nobody set need not be touched.
        if before == wanted or (before, wanted) == ("none", "ieee"):
            yield
            return
        self.backend.fp32_precision = wanted
        try:
            yield
        finally:
            # What is read may come from a switch above this one: then this one is unset again.
            self.backend.fp32_precision = "none"
            if self.backend.fp32_precision != before:
                self.backend.fp32_precision = before


@dataclass(frozen=True)
class _OldSwitch:
    """The one switch of torch before 2.9."""

    @contextmanager
    def of(self, *, tf32: bool) -> Iterator[None]:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def _float32_settings() -> tuple[_Switch | _OldSwitch, ...]:
    matmul = torch.backends.cuda.matmul
    if not hasattr(matmul, "fp32_precision"):
        return (_OldSwitch(),)
    # The CPU's library would take bfloat16 for float32 if told to, and is never to.
    mkldnn: _Backend = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 — unknown to stubs
    return _Switch(matmul, has_tf32=True), _Switch(mkldnn, has_tf32=False)
