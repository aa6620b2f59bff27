"""Why a prompt got no answer that can be used."""

from __future__ import annotations

from jobs.errors import JobsError


class RewriteError(JobsError):
    """The rewriter gave no usable answer to one prompt.

    Attributes:
        reason: why, in words that are the same for every prompt that fails alike.
        again: whether another try could help.
        wait: seconds that the service asked to be left alone; None where it did not say.
    """

    def __init__(self, reason: str, *, again: bool = False, wait: float | None = None) -> None:
        super().__init__(f"{reason}; see docs/rewriting.md")
        self.reason = reason
        self.again = again
        self.wait = wait


class NotAskedError(RewriteError):
    """Asking was given up before this prompt's turn."""


class AnswerError(RewriteError):
    """The service answered, but not what was asked: asking again may give another answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, again=True)
