"""The error of everything that reads training data."""

from hymotion.errors import HymotionError


class MocapError(HymotionError):
    """Motion capture, its segment table or its texts cannot be used; carries where."""

    def __init__(self, problem: str, *, mend: str, where: str) -> None:
        super().__init__(f"{where}: {problem}", mend=mend)
        self.where = where
