"""A velocity as a CUDA graph: the GPU repeats its kernels without the host starting each."""

from contextlib import suppress

import torch
from torch import Tensor

from hymotion.sampling.solver import Velocity


class StepGraph:
    """Calls a velocity once, records its kernels at the second call, and repeats them from then on.

    The host then starts one graph a step instead of some five hundred kernels, which takes longer
    than the kernels of a small pack do, and leaves the interpreter to other threads.

    Args:
        velocity: reads nothing on the host, and always does the same with states of one shape.
    """

    def __init__(self, velocity: Velocity) -> None:
        self._velocity = velocity
        self._begun = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._t = self._x = self._out = torch.empty(0)

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity at t (scalar) and x. The next call overwrites it."""
        if not self._begun:
            # Kernels are compiled and chosen in this call, which cannot be done while recording.
            self._begun = True
            return self._velocity(t, x)
        if self._graph is None:
            self._graph = self._record(t, x)
        self._t.copy_(t)
        self._x.copy_(x)
        self._graph.replay()
        return self._out

    def _record(self, t: Tensor, x: Tensor) -> torch.cuda.CUDAGraph:
        self._t, self._x = t.clone(), x.clone()
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]  # torch's stubs
        stream.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(stream):
            # Other threads may use the device meanwhile.
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                self._out = self._velocity(self._t, self._x)
            except BaseException:
                # Raised again, an interruption too: a recording must end before its thread goes on,
                # and what went wrong, such as too little memory, matters more than what that says.
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream(x.device).wait_stream(stream)
        return graph
