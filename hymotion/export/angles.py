"""Euler angles that do not jump, for programs that interpolate between frames."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hymotion.body.rotation import euler_zxy_from_matrix


def unwrapped_degrees(matrices: Tensor) -> NDArray[np.float64]:
    """(L, J, 3, 3) → (L, J, 3) angles (z, x, y) in degrees with matrix = Rz · Rx · Ry.

    Each angle triple has a twin, (z + 180, 180 − x, y + 180), that means the same; of the two
    and their whole turns the one nearest to the frame before is taken.
    """
    angles: NDArray[np.float64] = np.degrees(euler_zxy_from_matrix(matrices).double().numpy())
    for frame in range(1, len(angles)):
        before = angles[frame - 1]
        z, x, y = np.moveaxis(angles[frame], -1, 0)
        twins = np.stack((angles[frame], np.stack((z + 180, 180 - x, y + 180), axis=-1)))
        near = twins - 360 * np.round((twins - before) / 360)
        second = np.abs(near[1] - before).sum(-1) < np.abs(near[0] - before).sum(-1)
        angles[frame] = np.where(second[:, None], near[1], near[0])
    return angles
