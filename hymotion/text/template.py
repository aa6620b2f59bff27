"""Tokens of a prompt within the language model's chat template.

The model sees the chat template with a fixed system message and the prompt as the user's message,
without a generation prompt and with thinking off. At most 128 tokens are kept, from the first
token of the prompt, `crop_start`. They include the template's tokens after the prompt (end of
turn, newline) if there is room.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hymotion.errors import RequestError
from hymotion.text.errors import EncodingError

MAX_TOKENS = 128
"""Maximum number of tokens kept of a prompt."""

MARKERS = ("a", "Z", "7", "木", ".")
"""Prompts that share no first token, however the tokenizer merges them with their neighbours."""


class AddedToken(Protocol):
    """A token that the tokenizer matches first: its text, and whether it is a special token."""

    content: str
    special: bool


class ChatTokenizer(Protocol):
    """The part of a tokenizer with a chat template that is used here."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, AddedToken]: ...

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        enable_thinking: bool,
    ) -> str: ...

    def encode(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool = False
    ) -> list[int]: ...


class ChatTemplate:
    """The template of one tokenizer and one system message.

    Attributes:
        crop_start: index of the prompt's first token.
        prefix: the tokens before it, the same for all prompts except those whose leading white
            space merges with the template's.
    """

    def __init__(self, *, tokenizer: ChatTokenizer, message: str) -> None:
        self._tokenizer = tokenizer
        self._message = message
        added = tokenizer.added_tokens_decoder.values()
        self._controls = tuple(token.content for token in added if token.special)
        # The prompt begins at the first token that differs between several marker prompts. This
        # works even if a tokenizer merges the marker with its neighbours or gives no offsets.
        marked = [self._tokens(self._text(marker)) for marker in MARKERS]
        self.crop_start = _common(marked)
        self.prefix = tuple(marked[0][: self.crop_start])

    @property
    def size(self) -> int:
        """Maximum number of tokens of a whole chat."""
        return self.crop_start + MAX_TOKENS

    def tokens(self, prompt: str) -> list[int]:
        """The tokens of the chat with this prompt, cut at `size`.

        Special tokens such as the end of a turn are tokenised as plain text within a prompt, so
        no prompt can end the user's turn.

        Raises:
            RequestError: the prompt has half of a surrogate pair, which is not valid text.
            EncodingError: the chat has no tokens after `crop_start`.
        """
        _check(prompt)
        if any(control in prompt for control in self._controls):
            tokens = self._plain(prompt)
        else:
            tokens = self._tokens(self._text(prompt))
        if len(tokens) <= self.crop_start:
            raise EncodingError(
                "the tokenizer's chat template leaves no token for a prompt",
                mend="Use the tokenizer that came with the language model",
                prompts=[prompt],
            )
        return tokens[: self.size]

    def _plain(self, prompt: str) -> list[int]:
        # Tokenised apart from the prompt, so that only the template has special tokens.
        marker = MARKERS[0]
        head, tail = _around(self._text(marker), self._text(MARKERS[1]), marker)
        letters = self._tokenizer.encode(
            prompt, add_special_tokens=False, split_special_tokens=True
        )
        return [*self._tokens(head), *letters, *self._tokens(tail)]

    def _text(self, prompt: str) -> str:
        return self._tokenizer.apply_chat_template(
            [
                {"role": "system", "content": self._message},
                {"role": "user", "content": prompt},
            ],
            tokenize=False,
            add_generation_prompt=False,
            enable_thinking=False,
        )

    def _tokens(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)


def _common(rows: Sequence[Sequence[int]]) -> int:
    """Length of the common prefix of all rows."""
    shared = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return shared


def _around(one: str, other: str, marker: str) -> tuple[str, str]:
    """The text before and after the marker, given two texts that differ only in the marker."""
    start = next(place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    return one[:start], one[start + len(marker) :]


def _check(prompt: str) -> None:
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(
            f"the prompt has half of a surrogate pair at character {error.start}, not text",
            mend="Write the prompt in UTF-8",
            field="prompt",
            value=prompt,
        ) from error
