"""The errors of `transformers` and `tokenizers`, which are of any type for files from anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from hymotion.errors import HymotionError, brief
from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import MEND

PANIC = "pyo3_runtime"
"""The module of what a library in Rust raises instead of aborting; it is no `Exception`."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever a library raises into the error of a file; our own errors stay.

    Raises:
        EncoderFileError: the library could not use the file.
    """
    try:
        yield
    except (HymotionError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise _unusable(path, error) from error
    except BaseException as error:
        if type(error).__module__ != PANIC:
            raise
        raise _unusable(path, error) from error


def _unusable(path: Path, error: BaseException) -> EncoderFileError:
    problem = f"cannot be used ({type(error).__name__}: {brief(error)})"
    return EncoderFileError(problem, mend=MEND, path=path)
