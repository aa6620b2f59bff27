"""A velocity as a CUDA graph: the GPU repeats its kernels without the host starting each."""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from hymotion.sampling.solver import Velocity


class GraphMemory:
    """The memory of all graphs of one pipeline, of which one is in use at a time.

    A graph has memory apart from other tensors'. Each graph with its own would ask the driver for
    it, pack after pack; memory that the process has reserved cannot be used for it while recording.
    """

    def __init__(self, device: torch.device) -> None:
        # Blocks of memory belong to the stream that asked for them first.
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's stubs
        # The memory is kept as long as a graph with it exists: this one, which does nothing.
        self._kept = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._kept, stream=self.stream, capture_error_mode="thread_local"):
            torch.zeros(1, device=device)

    @property
    def pool(self) -> Any:
        """What tells torch to use this memory."""
        return self._kept.pool()


class StepGraph:
    """Calls a velocity once, records its kernels at the second call, and repeats them from then on.

    The host then starts one graph a step instead of some five hundred kernels, which takes longer
    than the kernels of a small pack do, and leaves the interpreter to other threads.

    Where there is no memory for a recording, the velocity is called at each step.

    Args:
        velocity: reads nothing on the host, and always does the same with states of one shape.
        memory: of the graph; no other graph that uses it may be repeated afterwards.
    """

    def __init__(self, velocity: Velocity, memory: GraphMemory) -> None:
        self._velocity = velocity
        self._memory = memory
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._t = self._x = self._out = torch.empty(0)

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity at t (scalar) and x. The next call overwrites it."""
        self._calls += 1
        # Kernels are compiled and chosen in the first call, which cannot be done while recording.
        if self._calls == 2:
            self._graph = self._recorded(t, x)
        if self._graph is None:
            return self._velocity(t, x)
        self._t.copy_(t)
        self._x.copy_(x)
        self._graph.replay()
        return self._out

    def _recorded(self, t: Tensor, x: Tensor) -> torch.cuda.CUDAGraph | None:
        """The graph, or None if there is too little memory for it."""
        for _ in range(2):
            with suppress(torch.OutOfMemoryError):
                return self._record(t, x)
            # Only here, where nothing is recorded, can unused memory be given back to the driver.
            self._out = self._t = self._x = torch.empty(0)
            torch.cuda.empty_cache()
        return None

    def _record(self, t: Tensor, x: Tensor) -> torch.cuda.CUDAGraph:
        self._t, self._x = t.clone(), x.clone()
        graph = torch.cuda.CUDAGraph()
        stream = self._memory.stream
        stream.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(stream):
            # Other threads may use the device meanwhile.
            graph.capture_begin(self._memory.pool, capture_error_mode="thread_local")
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
