"""Statistics for models that have seen no data: somebody standing, and a little sway."""

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_axis_angle, rot6d_from_matrix
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.decoding.kinematics import forward_kinematics

ARMS_DOWN = 1.25
"""How far the arms hang down from the T-pose, radians."""

SWAY = (0.03, 0.02, 0.03)
"""Standard deviation of the root's translation, metres."""

TURN = 0.06
"""Standard deviation of each number of a 6D rotation: about 4 degrees."""


def standing() -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (201,) of frames of a standing body, float32."""
    turns = torch.zeros(len(BODY.names), 3, dtype=torch.float64)
    turns[BODY.names.index("L_Shoulder"), 2] = -ARMS_DOWN
    turns[BODY.names.index("R_Shoulder"), 2] = ARMS_DOWN
    rotations = matrix_from_axis_angle(turns)
    trans = torch.tensor([0.0, PELVIS_HEIGHT, 0.0], dtype=torch.float64)
    positions, _ = forward_kinematics(rotations[None], BODY)
    mean = torch.cat(
        (trans, rot6d_from_matrix(rotations).flatten(), (positions[0] + trans).flatten())
    )
    std = torch.cat((torch.tensor(SWAY), torch.full((132,), TURN), torch.full((66,), SWAY[0])))
    return mean.float(), std.float()
