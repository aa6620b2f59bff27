"""Errors of requests to the rewriter."""

from __future__ import annotations

from jobs.errors import JobsError


class RewriteError(JobsError):
    """The rewriter returned no usable answer for a prompt.

    Attributes:
        reason: why; the same text for all prompts that fail for the same reason.
        again: whether another attempt could succeed.
        wait: seconds that the service asked to wait; None if it did not ask.
    """

    def __init__(self, reason: str, *, again: bool = False, wait: float | None = None) -> None:
        super().__init__(f"{reason}; see docs/rewriting.md")
        self.reason = reason
        self.again = again
        self.wait = wait


class NotAskedError(RewriteError):
    """The prompt was not sent, since too many prompts before it failed."""


class AnswerError(RewriteError):
    """The service returned an unusable answer; another attempt may return a usable one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, again=True)
