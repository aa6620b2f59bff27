"""A step recorded as a CUDA graph: one launch instead of thousands.

The networks trained here are so small that a GPU waits for Python between their kernels. Lessons
come in few shapes; after some plain steps of a shape, the next one is recorded, and from then on
replayed on new numbers.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from hymotion.training.fit.learner import Lesson

PLAIN = 3
"""Steps of a shape before it is recorded: libraries choose their kernels in the first ones."""


class Replay:
    """Does a step's work, plainly at first and then by replaying its record.

    Args:
        work: forward pass, backward pass and update on a lesson; returns numbers to look at. It
            must never wait for the device nor bring tensors to it.
    """

    def __init__(self, work: Callable[[Lesson], Tensor]) -> None:
        self._work = work
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._records: dict[tuple[int, ...], _Record] = {}
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch has no types

    def __call__(self, lesson: Lesson) -> Tensor:
        """The work's numbers; overwritten by the next step of the same shape."""
        shape = (*lesson.motion.shape, *lesson.forms.shape)
        if shape in self._records:
            return self._records[shape].replay(lesson)
        self._seen[shape] += 1
        if self._seen[shape] > PLAIN:
            self._records[shape] = _Record(self._work, lesson)
            return self._records[shape].replay(lesson)
        # On a stream of its own, as recording will be: gradients remember theirs.
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            numbers = self._work(lesson)
        torch.cuda.current_stream().wait_stream(self._stream)
        return numbers


class _Record:
    """The graph of one shape, and the lesson whose memory it reads."""

    def __init__(self, work: Callable[[Lesson], Tensor], lesson: Lesson) -> None:
        self._lesson = Lesson(**{field.name: _own(lesson, field.name) for field in fields(Lesson)})
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._numbers = work(self._lesson)

    def replay(self, lesson: Lesson) -> Tensor:
        for field in fields(Lesson):
            getattr(self._lesson, field.name).copy_(getattr(lesson, field.name))
        self._graph.replay()
        return self._numbers


def _own(lesson: Lesson, name: str) -> Tensor:
    value: Tensor = getattr(lesson, name)
    return value.clone()
