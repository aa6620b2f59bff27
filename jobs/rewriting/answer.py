"""Parse a language model's answer: find the JSON object in its text and validate it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.domain.spec import FPS, MAX_PROMPT
from jobs.promptfile.cell import text_fault
from jobs.rewriting.errors import AnswerError
from jobs.rewriting.wish import LONGEST, SHORTEST, Wish

#: Maximum characters of an answer without its reasoning; an escaped prompt of `MAX_PROMPT` fits.
MAX_TEXT = 64 * 1024
#: Maximum number of opening braces that are tried as the start of an object.
MAX_BRACES = 64

#: Ends the reasoning before an answer, which may contain drafts of the object. Some services remove
#: the opening tag.
_REASONED = "</think>"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A validated answer. Values that were not asked for are None.

    Attributes:
        text: the rewritten prompt, one line.
        seconds: the estimated length; may be out of range.
    """

    text: str | None = None
    seconds: float | None = None

    def frames(self) -> int | None:
        """The estimated length at 30 frames a second; None if it is missing or out of range."""
        if self.seconds is None or not SHORTEST <= self.seconds <= LONGEST:
            return None
        return round(self.seconds * FPS)

    def document(self) -> dict[str, object]:
        """The answer as an argument of `checked`."""
        values = {"prompt": self.text, "seconds": self.seconds}
        return {name: value for name, value in values.items() if value is not None}


def read_answer(body: bytes, wish: Wish) -> Answer:
    """The answer in the body of a `chat/completions` response.

    Raises:
        AnswerError: the body is not such a response, or its text contains no usable answer.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("the reply is not JSON") from None
    return checked(only_object(_content(reply)), wish)


def _content(reply: Any) -> str:
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise AnswerError("the reply has no choices[0].message.content") from None
    if not isinstance(content, str) or not content.strip():
        raise AnswerError("the model answered with no text")
    return content


def only_object(text: str) -> Mapping[str, Any]:
    """The only JSON object in a text, which may have words or a code fence around it.

    Raises:
        AnswerError: there is no object, or more than one.
    """
    text = text.rpartition(_REASONED)[2]
    if len(text) > MAX_TEXT:
        raise AnswerError(f"the model answered with more than {MAX_TEXT} characters")
    found: list[Mapping[str, Any]] = []
    for each in _objects(text):
        if each not in found:
            found.append(each)
    if not found:
        raise AnswerError("the model's answer contains no JSON object")
    if len(found) > 1:
        raise AnswerError("the model's answer contains more than one JSON object")
    return found[0]


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    for _ in range(MAX_BRACES):
        if position < 0:
            return
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            yield value
        position = text.find("{", end)


def checked(values: Mapping[str, Any], wish: Wish) -> Answer:
    """The answer with the values that the wish asks for.

    Raises:
        AnswerError: a value is missing or unusable.
    """
    text = _text(values.get("prompt")) if wish.text else None
    seconds = _seconds(values.get("seconds")) if wish.seconds else None
    return Answer(text=text, seconds=seconds)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise AnswerError('the answer has no text in "prompt"')
    text = value.strip()
    if len(text) > MAX_PROMPT:
        raise AnswerError(f"the rewritten prompt has more than {MAX_PROMPT} characters")
    if len(text.splitlines()) > 1:
        raise AnswerError("the rewritten prompt has more than one line")
    if found := text_fault(text):
        raise AnswerError(f"the rewritten prompt {found[0]}")
    return text


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AnswerError('the answer has no number in "seconds"')
    # An int may be too large for a float.
    if abs(value) > 1e9 or not math.isfinite(value):
        raise AnswerError('the answer has no usable number in "seconds"')
    return float(value)
