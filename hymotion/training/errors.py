"""Errors of training data and of training runs."""

from hymotion.errors import HymotionError


class MocapError(HymotionError):
    """Motion capture, its segment table or its texts cannot be used; carries the place."""

    def __init__(self, problem: str, *, mend: str, where: str) -> None:
        super().__init__(f"{where}: {problem}", mend=mend)
        self.where = where


class TrainingError(HymotionError):
    """A run cannot start or resume."""
