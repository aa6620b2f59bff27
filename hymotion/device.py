"""Devices and number formats by name, with checks of what the hardware supports."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hymotion.errors import DeviceError

AMPERE = (8, 0)
"""The first compute capability that has TensorFloat-32 and runs torch's int4 kernel."""


@dataclass(frozen=True)
class Precision:
    """Number format of the network. Latents, solver and decoding use float32 or wider.

    Attributes:
        name: the name the user gave.
        dtype: type of the weights.
        tf32: whether float32 matrix products may round their inputs to TensorFloat-32, a 10-bit
            mantissa instead of 23 bits.
    """

    name: str
    dtype: torch.dtype
    tf32: bool = False

    def check(self, device: torch.device) -> None:
        """Refuse a precision that the device would silently replace by another.

        Raises:
            DeviceError: TensorFloat-32 was requested on a device without it.
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
        """Set how torch multiplies float32 matrices within this context, and restore it after.

        The setting is process-wide, so other threads see it too.
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
"""Precisions a model can be loaded in, by name."""

DTYPES = {each.name: each.dtype for each in PRECISIONS.values() if not each.tf32}
"""Types the weights can be stored in, by name."""


class _Attention:
    """The kernels that attention may use, a setting of the process while any thread is in `use`."""

    _KERNELS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._setting = ExitStack()

    @contextmanager
    def use(self) -> Iterator[None]:
        with self._lock:
            if not self._entered:
                self._setting.enter_context(sdpa_kernel(list(self._KERNELS)))
            self._entered += 1
        try:
            yield
        finally:
            with self._lock:
                self._entered -= 1
                if not self._entered:
                    self._setting.close()


_attention = _Attention()


def attention() -> AbstractContextManager[None]:
    """Let attention use any kernel except cuDNN's.

    cuDNN spends some tenths of a second planning each new shape (torch 2.11 on an H100), and
    nearly every pack and prompt has a new shape; once planned, it is no faster. The setting is
    process-wide and lasts until no thread is in such a context.
    """
    return _attention.use()


def find_device(name: str | torch.device) -> torch.device:
    """The torch device for a name such as "cpu" or "cuda:0".

    Raises:
        DeviceError: the name is invalid, or this machine has no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"{name!r} is not a device", mend='Use "cpu", "cuda" or "cuda:<number>"'
        ) from error
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= count:
        raise DeviceError(
            f"there is no {device} here, only {count} CUDA devices",
            mend='Use "cpu", or check CUDA_VISIBLE_DEVICES and the torch build',
        )
    return device


def find_precision(name: str) -> Precision:
    """The precision with this name.

    Raises:
        DeviceError: there is no such precision.
    """
    if name not in PRECISIONS:
        mend = f"Use one of {', '.join(PRECISIONS)}"
        raise DeviceError(f"{name!r} is not a precision", mend=mend)
    return PRECISIONS[name]


def find_dtype(name: str) -> torch.dtype:
    """The torch type with this name; "tf32" is not a type but a way to multiply float32.

    Raises:
        DeviceError: there is no such type.
    """
    if name not in DTYPES:
        raise DeviceError(f"{name!r} is not a number type", mend=f"Use one of {', '.join(DTYPES)}")
    return DTYPES[name]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread: small matrices gain nothing from more, which block on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Backend(Protocol):
    """A backend's setting for float32 matrix products, from torch 2.9 on."""

    fp32_precision: str


@dataclass(frozen=True)
class _Switch:
    """The setting of one backend.

    torch 2.9 added a setting per backend and deprecated the global one. Reading the global one
    after setting both is an error, so only one kind is ever used.
    """

    backend: _Backend
    has_tf32: bool

    @contextmanager
    def of(self, *, tf32: bool) -> Iterator[None]:
        before = self.backend.fp32_precision
        wanted = "tf32" if tf32 and self.has_tf32 else "ieee"
        # "none" (unset) is full precision too.
        if before == wanted or (before, wanted) == ("none", "ieee"):
            yield
            return
        self.backend.fp32_precision = wanted
        try:
            yield
        finally:
            # The value read may have been inherited from a parent setting: unset it first.
            self.backend.fp32_precision = "none"
            if self.backend.fp32_precision != before:
                self.backend.fp32_precision = before


@dataclass(frozen=True)
class _OldSwitch:
    """The global setting of torch before 2.9."""

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
    # oneDNN on the CPU could be set to compute float32 products in bfloat16.
    mkldnn: _Backend = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 — unknown to stubs
    return _Switch(matmul, has_tf32=True), _Switch(mkldnn, has_tf32=False)
