"""What can go wrong with the official text encoder and with stored embeddings."""

from collections.abc import Sequence

from hymotion.errors import EncoderMissingError, FileError, HymotionError


class EncoderLibraryError(EncoderMissingError):
    """A library that the text encoder needs is not installed; carries the library's name."""

    def __init__(self, problem: str, *, mend: str, library: str) -> None:
        super().__init__(problem, mend=mend)
        self.library = library


class EncoderFileError(FileError):
    """A file of the text encoder that is absent, damaged or made for something else."""


class EncodingError(HymotionError):
    """Prompts that came out of the encoder as no usable numbers; carries the prompts."""

    def __init__(self, problem: str, *, mend: str, prompts: Sequence[str]) -> None:
        super().__init__(problem, mend=mend)
        self.prompts = tuple(prompts)


class StoreError(HymotionError):
    """A store of embeddings that was asked for something it cannot be."""
