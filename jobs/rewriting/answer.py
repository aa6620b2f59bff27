"""The answer of a language model: one JSON object, found in its text and checked."""

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

#: Characters of an answer without its reasoning; a prompt of `MAX_PROMPT` escaped needs fewer.
MAX_TEXT = 64 * 1024
#: How many opening braces are tried: text with more is no JSON object with words around it.
MAX_BRACES = 64

#: Ends what reasoning models write before they answer, which may hold drafts of the object. Some
#: services cut the tag that opens it.
_REASONED = "</think>"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A checked answer. What was not asked for is None.

    Attributes:
        text: the rewritten prompt, a single line.
        seconds: the estimated length; it may be out of range.
    """

    text: str | None = None
    seconds: float | None = None

    def frames(self) -> int | None:
        """The estimated length at 30 frames a second; None where it is out of range or missing."""
        if self.seconds is None or not SHORTEST <= self.seconds <= LONGEST:
            return None
        return round(self.seconds * FPS)

    def document(self) -> dict[str, object]:
        """The answer as `checked` takes it."""
        values = {"prompt": self.text, "seconds": self.seconds}
        return {name: value for name, value in values.items() if value is not None}


def read_answer(body: bytes, wish: Wish) -> Answer:
    """The answer in the body of a reply to `chat/completions`.

    Raises:
        AnswerError: it is not such a reply, or its text holds no usable answer.
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
    """The one JSON object in a text that may have words or a code fence around it.

    Raises:
        AnswerError: there is none, or there are two that differ.
    """
    text = text.rpartition(_REASONED)[2]
    if len(text) > MAX_TEXT:
        raise AnswerError(f"the model answered with more than {MAX_TEXT} characters")
    found: list[Mapping[str, Any]] = []
    for each in _objects(text):
        if each not in found:
            found.append(each)
    if not found:
        raise AnswerError("the model's answer holds no JSON object")
    if len(found) > 1:
        raise AnswerError("the model's answer holds more than one JSON object")
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
    """An answer whose values are what was asked for.

    Raises:
        AnswerError: one is missing or unusable.
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
    # An int may be beyond the range of floats.
    if abs(value) > 1e9 or not math.isfinite(value):
        raise AnswerError('the answer has no usable number in "seconds"')
    return float(value)
