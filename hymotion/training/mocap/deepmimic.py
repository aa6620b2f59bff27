"""Reader of DeepMimic's humanoid text format (Peng et al. 2018): 44 numbers a frame.

Duration, root position, then rotations: quaternions (w, x, y, z) for ball joints, one angle
about z for knees and elbows. The source's axes are x forward, y up, z right, its arms hang at
rest; the capture is in our axes, (−z, y, x). The body's sizes are those of its `humanoid3d`.
"""

import json

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_quaternion
from hymotion.training.errors import MocapError
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.capture import Capture

MEND = "Use a humanoid3d motion file of DeepMimic"
NUMBERS = 44
AXES = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)
"""The source's vectors to ours."""

Vector = tuple[float, float, float]

BODY: tuple[tuple[str, str, Vector, int], ...] = (
    ("root", "", (0.0, 0.0, 0.0), 4),
    ("chest", "root", (0.0, 0.236151, 0.0), 4),
    ("neck", "chest", (0.0, 0.223894, 0.0), 4),
    ("right_hip", "root", (0.0, 0.0, 0.084887), 4),
    ("right_knee", "right_hip", (0.0, -0.421546, 0.0), 1),
    ("right_ankle", "right_knee", (0.0, -0.409870, 0.0), 4),
    ("right_shoulder", "chest", (-0.02405, 0.24350, 0.18311), 4),
    ("right_elbow", "right_shoulder", (0.0, -0.274788, 0.0), 1),
    ("right_wrist", "right_elbow", (0.0, -0.258947, 0.0), 0),
    ("left_hip", "root", (0.0, 0.0, -0.084887), 4),
    ("left_knee", "left_hip", (0.0, -0.421546, 0.0), 1),
    ("left_ankle", "left_knee", (0.0, -0.409870, 0.0), 4),
    ("left_shoulder", "chest", (-0.02405, 0.24350, -0.18311), 4),
    ("left_elbow", "left_shoulder", (0.0, -0.274788, 0.0), 1),
    ("left_wrist", "left_elbow", (0.0, -0.258947, 0.0), 0),
)
"""Name, parent, offset in the source's axes, how many numbers its rotation has, in file order."""


def read_deepmimic(text: str, *, where: str) -> Capture:
    """The capture of a motion file, at the file's own moments.

    Raises:
        MocapError: it is not that format, or has fewer than two frames.
    """
    try:
        frames = torch.tensor(json.loads(text)["Frames"], dtype=torch.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise MocapError(f"is no motion ({error})", mend=MEND, where=where) from error
    if frames.ndim != 2 or frames.shape[0] < 2 or frames.shape[1] != NUMBERS:
        raise MocapError(f"has frames of shape {tuple(frames.shape)}", mend=MEND, where=where)
    if not bool((frames[:-1, 0] > 0).all()):
        raise MocapError("has a frame that lasts no time", mend=MEND, where=where)
    names = tuple(name for name, *_ in BODY)
    offsets = torch.tensor([offset for _, _, offset, _ in BODY], dtype=torch.float64)
    return Capture(
        names=names,
        parents=tuple(names.index(parent) if parent else -1 for _, parent, _, _ in BODY),
        offsets=offsets @ AXES.T,
        rotations=AXES @ _rotations(frames[:, 4:]) @ AXES.T,
        root=frames[:, 1:4] @ AXES.T,
        times=torch.cat((torch.zeros(1, dtype=torch.float64), frames[:-1, 0].cumsum(0))),
    )


def _rotations(numbers: Tensor) -> Tensor:
    """(L, 40) → (L, 15, 3, 3) in the source's axes."""
    turns: list[Tensor] = []
    place = 0
    for *_, size in BODY:
        values = numbers[:, place : place + size]
        place += size
        if size == 4:
            turns.append(matrix_from_quaternion(torch.nn.functional.normalize(values, dim=-1)))
        elif size == 1:
            turns.append(axis_turn(2, values[:, 0]))
        else:
            turns.append(torch.eye(3, dtype=torch.float64).expand(len(numbers), 3, 3))
    return torch.stack(turns, dim=1)
