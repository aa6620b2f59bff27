"""Rotation conversions for motion formats, batched over leading axes.

Matrices act on column vectors and are active: world = R · local.
"""

import torch
from torch import Tensor

SMALLEST = 1e-12
"""A shorter vector has no direction."""

NEWTON_STEPS = 24
"""Steps to the largest root of a quartic from above: linear at worst, half of the way a step."""

AMBIGUOUS = 1e-5
"""Below this product of the sums of any two singular values of an average of rotations, rotations
far apart are equally near to it."""


def matrix_from_rot6d(rot6d: Tensor) -> Tensor:
    """(…, 6) → (…, 3, 3) by Gram–Schmidt.

    The six values are the matrix's first two columns stored row by row, a (3, 2) array, unlike
    the layout of Zhou et al. 2019. The third column is their cross product.
    """
    # With the components first every operation is on contiguous numbers: four times as fast.
    numbers = rot6d.movedim(-1, 0).contiguous()
    first, second = numbers.reshape(3, 2, *rot6d.shape[:-1]).unbind(1)
    x = _unit(first)
    y = _unit(second - (x * second).sum(0) * x)
    columns = torch.stack((x, y, torch.linalg.cross(x, y, dim=0)), dim=1)
    return columns.movedim((0, 1), (-2, -1))


def rot6d_from_matrix(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 6): the first two columns, stored row by row."""
    return matrix[..., :2].flatten(-2)


def davenport(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 4, 4): q qᵀ for the matrix's quaternion q = (w, x, y, z).

    Linear in the matrix, so an average of matrices maps to the average of their q qᵀ
    (Bar-Itzhack 2000). The sign of q cancels.
    """
    # With the components first every operation is on contiguous numbers.
    numbers = matrix.movedim((-2, -1), (0, 1)).flatten(0, 1).contiguous()
    a, b, c, d, e, f, g, h, i = numbers.unbind(0)
    x, y, z, xy, xz, yz = h - f, c - g, d - b, b + d, c + g, f + h
    more, less = 1 + a, 1 - a
    outer = torch.stack(
        (
            *(more + e + i, x, y, z),
            *(x, more - e - i, xy, xz),
            *(y, xy, less + e - i, yz),
            *(z, xz, yz, less - e + i),
        )
    )
    return (outer / 4).reshape(4, 4, *matrix.shape[:-2]).movedim((0, 1), (-2, -1))


def quaternion_from_matrix(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 4), unit, (w, x, y, z), w ≥ 0.

    The column of q qᵀ with the largest diagonal is q times its largest entry, which avoids
    division by a small number at any angle.
    """
    outer = davenport(matrix)
    # Compared in pairs, which is faster than `argmax` of four numbers.
    a, b, c, d = outer.diagonal(dim1=-2, dim2=-1).unbind(-1)
    largest = torch.where(torch.maximum(c, d) > torch.maximum(a, b), 2 + (d > c), 1 * (b > a))
    index = largest[..., None, None].expand(*largest.shape, 4, 1)
    q = torch.nn.functional.normalize(outer.gather(-1, index)[..., 0], dim=-1)
    return torch.where(q[..., :1] < 0, -q, q)


def matrix_from_quaternion(quaternion: Tensor) -> Tensor:
    """(…, 4) unit quaternions (w, x, y, z) → (…, 3, 3)."""
    w, x, y, z = quaternion.unbind(-1)
    rows = (
        torch.stack((1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)), dim=-1),
        torch.stack((2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)), dim=-1),
        torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)), dim=-1),
    )
    return torch.stack(rows, dim=-2)


def nearest_rotation(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 3, 3): the rotation R nearest to an average A of rotations.

    It has the largest tr(Rᵀ A), and its quaternion is the eigenvector of `davenport(A)` with the
    largest eigenvalue. Markley's fast optimal attitude matrix (1993) needs only that eigenvalue,
    the largest root of a quartic, which Newton's method reaches from above in a fixed number of
    steps: all elementwise, faster than a batched `eigh`, without a wait for a GPU.

    It is the identity where A determines no rotation, as zero does.
    """
    # With the components first every operation is on contiguous numbers.
    a = matrix.movedim((-2, -1), (0, 1)).contiguous()
    cofactors = _cofactors(a)
    square = a.square().sum((0, 1))
    det = (a[0] * cofactors[0]).sum(0)
    double, linear = -2 * square, -8 * det
    constant = square.square() - 4 * cofactors.square().sum((0, 1))
    root = (3 * square).sqrt()
    for _ in range(NEWTON_STEPS):
        power = root.square()
        value = torch.addcmul(torch.addcmul(constant, linear, root), power + double, power)
        slope = torch.addcmul(linear, torch.add(2 * double, power, alpha=4), root)
        root = root - value / slope
    kappa = (root.square() - square) / 2
    # (s₁ + s₂)(s₂ + s₃)(s₃ + s₁) for singular values s, the last with the determinant's sign.
    scale = kappa * root - det
    cubic = product(product(a, a.transpose(0, 1)), a)
    turned = ((kappa + square) * a + root * cofactors - cubic) / scale
    still = torch.eye(3, dtype=a.dtype, device=a.device).reshape(3, 3, *[1] * det.ndim)
    # A matrix that is not finite stays so.
    turned = torch.where((scale >= AMBIGUOUS) | ~square.isfinite(), turned, still)
    return turned.movedim((0, 1), (-2, -1))


def _unit(vector: Tensor) -> Tensor:
    """Vectors (3, …) of length 1; zero stays zero."""
    return vector / vector.square().sum(0).clamp(min=SMALLEST**2).sqrt()


def _cofactors(a: Tensor) -> Tensor:
    """The cofactors of matrices (3, 3, …)."""
    wide = torch.cat((a, a[:2]))
    wide = torch.cat((wide, wide[:, :2]), dim=1)
    return wide[1:4, 1:4] * wide[2:, 2:] - wide[1:4, 2:] * wide[2:, 1:4]


def product(a: Tensor, b: Tensor) -> Tensor:
    """The products a · b of matrices (3, 3, …)."""
    first = torch.addcmul(a[:, :1] * b[:1], a[:, 1:2], b[1:2])
    return torch.addcmul(first, a[:, 2:], b[2:])


def rotated(a: Tensor, vectors: Tensor) -> Tensor:
    """Each of the vectors (K, 3), rotated by its N matrices: (3, 3, K, N) → (3, K, N)."""
    x, y, z = vectors.mT[..., None].unbind(0)
    return torch.addcmul(torch.addcmul(a[:, 0] * x, a[:, 1], y), a[:, 2], z)


def axis_angle_from_matrix(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 3): axis times angle in radians, angle in [0, π]."""
    q = quaternion_from_matrix(matrix)
    vector = q[..., 1:]
    sine = vector.norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, q[..., :1])
    # sin(angle/2) → angle/2 as it goes to 0, so the factor goes to 2.
    small = sine < 1e-12
    factor = torch.where(small, 2.0, angle / torch.where(small, 1.0, sine))
    return vector * factor


def matrix_from_axis_angle(vector: Tensor) -> Tensor:
    """(…, 3) axis times angle in radians → (…, 3, 3)."""
    angle = vector.norm(dim=-1, keepdim=True)
    # torch.sinc(x) is sin(πx)/(πx): finite at 0.
    xyz = vector * 0.5 * torch.sinc(angle / (2 * torch.pi))
    return matrix_from_quaternion(torch.cat((torch.cos(angle / 2), xyz), dim=-1))


def euler_zxy_from_matrix(matrix: Tensor) -> Tensor:
    """(…, 3, 3) → (…, 3): angles (z, x, y) in radians with matrix = Rz · Rx · Ry.

    x is in [−π/2, π/2]. At x = ±π/2 only a sum or difference of z and y is determined; y is
    0 there.
    """
    m = matrix
    sine = m[..., 2, 1].clamp(-1, 1)
    cosine = torch.hypot(m[..., 2, 0], m[..., 2, 2])
    locked = cosine < 1e-7
    x = torch.atan2(sine, cosine)
    z = torch.where(
        locked,
        torch.atan2(m[..., 1, 0], m[..., 0, 0]),
        torch.atan2(-m[..., 0, 1], m[..., 1, 1]),
    )
    y = torch.where(locked, torch.zeros_like(z), torch.atan2(-m[..., 2, 0], m[..., 2, 2]))
    return torch.stack((z, x, y), dim=-1)


def shortest_turn(start: Tensor, end: Tensor) -> Tensor:
    """(…, 3), (…, 3) → (…, 3, 3): the smallest rotation from one direction to the other.

    The identity where they are opposite up to rounding.
    """
    axis = torch.linalg.cross(start, end)
    sine = axis.norm(dim=-1, keepdim=True)
    cosine = (start * end).sum(-1, keepdim=True)
    small = sine < 1e-12
    angle = torch.where(small, 0.0, torch.atan2(sine, cosine))
    return matrix_from_axis_angle(axis / torch.where(small, 1.0, sine) * angle)


def slerp(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(…, 4) unit quaternions, (…, 1) shares → (…, 4), along the shorter arc (Shoemake 1985)."""
    cosine = (first * second).sum(-1, keepdim=True)
    second = torch.where(cosine < 0, -second, second)
    angle = torch.atan2((second - first).norm(dim=-1, keepdim=True) / 2,
                        (second + first).norm(dim=-1, keepdim=True) / 2) * 2  # fmt: skip
    # sin(share · angle) / sin(angle) → share as the angle goes to 0.
    small = angle < 1e-9
    sine = torch.where(small, 1.0, torch.sin(angle))
    left = torch.where(small, 1 - share, torch.sin((1 - share) * angle) / sine)
    right = torch.where(small, share, torch.sin(share * angle) / sine)
    return torch.nn.functional.normalize(left * first + right * second, dim=-1)
