"""Names of devices and number types, checked."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hymotion.errors import DeviceError

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""The types the weights can be kept in. Latents, solver and decoding are float32 or wider."""


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


def find_dtype(name: str) -> torch.dtype:
    """The torch type of a name.

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
