"""Tokens of a prompt within the language model's chat template.

The model sees a fixed system message and the prompt as the user's message, without a generation
prompt. Around these two Qwen3-8B's chat template always writes the same text, so that this text is
written here: a template is a program (Jinja), and no program of a model folder is run. At most 128
tokens are kept, from the first token of the prompt, `crop_start`. They include the template's
tokens after the prompt (end of turn, newline) if there is room.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hymotion.errors import RequestError
from hymotion.text.errors import EncodingError

MAX_TOKENS = 128
"""Maximum number of tokens kept of a prompt."""

START, END = "<|im_start|>", "<|im_end|>"
"""The special tokens that begin and end a turn."""

MARKERS = ("a", "Z", "7", "木", ".")
"""Prompts that share no first token, however the tokenizer merges them with their neighbours."""


class AddedToken(Protocol):
    """A token that the tokenizer matches first: its text, and whether it is a special token."""

    content: str
    special: bool


class ChatTokenizer(Protocol):
    """The part of a tokenizer that is used here."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, AddedToken]: ...

    def encode(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool = False
    ) -> list[int]: ...


class ChatTemplate:
    """The template of one tokenizer and one system message.

    Attributes:
        crop_start: index of the prompt's first token.
        prefix: the tokens before it, the same for all prompts except those whose leading white
            space merges with the template's.
        missing: the special tokens of the template that the tokenizer lacks.
    """

    def __init__(self, *, tokenizer: ChatTokenizer, message: str) -> None:
        self._tokenizer = tokenizer
        self._head = f"{START}system\n{message}{END}\n{START}user\n"
        self._tail = f"{END}\n"
        added = tokenizer.added_tokens_decoder.values()
        self._controls = tuple(token.content for token in added if token.special)
        self.missing = tuple(mark for mark in (START, END) if mark not in self._controls)
        # The prompt begins at the first token that differs between several marker prompts. This
        # works even if a tokenizer merges the marker with its neighbours or gives no offsets.
        marked = [self._tokens(f"{self._head}{marker}{self._tail}") for marker in MARKERS]
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
            tokens = self._tokens(f"{self._head}{prompt}{self._tail}")
        if len(tokens) <= self.crop_start:
            raise EncodingError(
                "the tokenizer leaves no token for a prompt",
                mend="Use the tokenizer that came with the language model",
                prompts=[prompt],
            )
        return tokens[: self.size]

    def _plain(self, prompt: str) -> list[int]:
        # Tokenised apart from the prompt, so that only the template has special tokens.
        letters = self._tokenizer.encode(
            prompt, add_special_tokens=False, split_special_tokens=True
        )
        return [*self._tokens(self._head), *letters, *self._tokens(self._tail)]

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
