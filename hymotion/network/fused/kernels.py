"""Triton kernels; `hymotion.network.fused.operations` says what they compute."""

import triton
import triton.language as tl


@triton.jit
def update_and_normalise(
    stream, update, modulation, owner, out,
    gate_at, shift_at, scale_at, modulation_stride, width, eps,
    HAS_UPDATE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One row."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    vectors = modulation + tl.load(owner + row).to(tl.int64) * modulation_stride + column
    x = tl.load(stream + row * width + column, mask=inside, other=0.0)
    if HAS_UPDATE:
        delta = tl.load(update + row * width + column, mask=inside, other=0.0).to(tl.float32)
        x += tl.load(vectors + gate_at, mask=inside, other=0.0) * delta
        tl.store(stream + row * width + column, x, mask=inside)
    mean = tl.sum(x, 0) / width
    apart = tl.where(inside, x - mean, 0.0)
    normed = apart * tl.rsqrt(tl.sum(apart * apart, 0) / width + eps)
    scale = 1.0 + tl.load(vectors + scale_at, mask=inside, other=0.0)
    shifted = normed * scale + tl.load(vectors + shift_at, mask=inside, other=0.0)
    tl.store(out + row * width + column, shifted.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _turned(rows, weight, cosines, sines, position, inside, eps, HALF: tl.constexpr):
    """Even and odd entries of rows (N, 2·HALF) after RMS norm and rotation.

    Kept apart, since a product of two such rows is the sum of the products of both halves.
    """
    values = rows.to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values, 1) / (2 * HALF) + eps)
    normed = (values * scale[:, None]).to(rows.dtype) * weight[None, :]
    even, odd = tl.split(tl.reshape(normed.to(tl.float32), (rows.shape[0], HALF, 2)))
    at = position[:, None] * HALF + tl.arange(0, HALF)[None, :]
    cosine = tl.load(cosines + at, mask=inside[:, None], other=1.0)
    sine = tl.load(sines + at, mask=inside[:, None], other=0.0)
    turned_even = (even * cosine - odd * sine).to(rows.dtype)
    turned_odd = (even * sine + odd * cosine).to(rows.dtype)
    return turned_even, turned_odd


@triton.jit
def _attended(
    sums, top, total, q_even, q_odd, q_index,
    qkv, weight, cosines, sines, first, stride, start, end, position_start, head,
    row_stride, heads, eps, scale, band,
    HALF: tl.constexpr, KEYS: tl.constexpr, BANDED: tl.constexpr,
):  # fmt: skip
    """A step of the online softmax (Milakov & Gimelshein 2018) over the next KEYS rows."""
    index = start + tl.arange(0, KEYS)
    inside = index < end
    column = tl.arange(0, 2 * HALF)
    rows = qkv + (first + index * stride).to(tl.int64)[:, None] * row_stride
    rows += head * 2 * HALF + column[None]
    keys = tl.load(rows + heads * 2 * HALF, mask=inside[:, None], other=0.0)
    values = tl.load(rows + heads * 4 * HALF, mask=inside[:, None], other=0.0)
    k_even, k_odd = _turned(keys, weight, cosines, sines, index + position_start, inside, eps, HALF)
    scores = tl.dot(q_even, tl.trans(k_even), input_precision="ieee")
    scores = tl.dot(q_odd, tl.trans(k_odd), acc=scores, input_precision="ieee") * scale
    seen = inside[None, :]
    if BANDED:
        apart = q_index[:, None] - index[None, :]
        seen = seen & (apart <= band) & (apart >= -band)
    scores = tl.where(seen, scores, float("-inf"))
    higher = tl.maximum(top, tl.max(scores, 1))
    # A query may see none of the first keys; minus infinity minus itself is not a number.
    finite = tl.where(higher == float("-inf"), 0.0, higher)
    kept = tl.exp2(top - finite)
    shares = tl.exp2(scores - finite[:, None])
    sums = tl.dot(shares.to(values.dtype), values, acc=sums * kept[:, None], input_precision="ieee")
    return sums, higher, total * kept + tl.sum(shares, 1)


@triton.jit
def attention(
    qkv, out, work, sequences,
    motion_q, motion_k, text_q, text_k, cosines, sines,
    row_stride, out_stride, heads, text_start, eps, scale, band,
    HALF: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """One block of a sequence's queries, of one head."""
    entry = sequences + 6 * tl.load(work + 2 * tl.program_id(0))
    block = tl.load(work + 2 * tl.program_id(0) + 1)
    head = tl.program_id(1)
    first, count, own = tl.load(entry), tl.load(entry + 1), tl.load(entry + 2)
    words, length, stride = tl.load(entry + 3), tl.load(entry + 4), tl.load(entry + 5)
    is_text = own == 0

    column = tl.arange(0, 2 * HALF)
    index = block * QUERIES + tl.arange(0, QUERIES)
    inside = index < count
    row = (first + index).to(tl.int64)[:, None]
    queries = tl.load(
        qkv + row * row_stride + head * 2 * HALF + column[None], mask=inside[:, None], other=0.0
    )
    weight = tl.load(tl.where(is_text, text_q, motion_q) + column)
    position = index + tl.where(is_text, text_start, 0)
    q_even, q_odd = _turned(queries, weight, cosines, sines, position, inside, eps, HALF)

    sums = tl.zeros((QUERIES, 2 * HALF), tl.float32)
    top = tl.full((QUERIES,), float("-inf"), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    weight = tl.load(motion_k + column)
    lowest = tl.maximum(0, block * QUERIES - band) // KEYS * KEYS
    highest = tl.minimum(own, (block + 1) * QUERIES + band)
    for start in range(lowest, highest, KEYS):
        sums, top, total = _attended(
            sums, top, total, q_even, q_odd, index,
            qkv, weight, cosines, sines, first, 1, start, own, 0, head,
            row_stride, heads, eps, scale, band, HALF, KEYS, True,
        )  # fmt: skip
    weight = tl.load(text_k + column)
    for start in range(0, length, KEYS):
        sums, top, total = _attended(
            sums, top, total, q_even, q_odd, index,
            qkv, weight, cosines, sines, words, stride, start, length, text_start, head,
            row_stride, heads, eps, scale, band, HALF, KEYS, False,
        )  # fmt: skip
    attended = (sums / total[:, None]).to(out.dtype.element_ty)
    at = out + row * out_stride + head * 2 * HALF + column[None]
    tl.store(at, attended, mask=inside[:, None])
