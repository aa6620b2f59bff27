"""One prompt's features as bytes: a safetensors file with the prompt's hash and a checksum.

Only the valid tokens are stored, in the type in which they were computed, so nothing is lost.
"""

import hashlib
import struct

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hymotion.conditioning import TextConditioning
from hymotion.errors import RequestError
from hymotion.parsing.plain_data import parse_json

FORMAT = "hymo-embedding-1"
LENGTH = struct.Struct("<Q")
"""The header's length, at the start of a safetensors file."""


def prompt_hash(prompt: str) -> str:
    """The sha256 of a prompt, in hex; the store keeps nothing else of it."""
    # A prompt may contain a lone surrogate, which strict UTF-8 refuses.
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def pack(prompt: str, text: TextConditioning) -> bytes:
    """Serialise a prompt's features."""
    tensors = {
        "vtxt": text.vtxt.detach().cpu().contiguous(),
        "ctxt": text.ctxt[: text.length].detach().cpu().contiguous(),
    }
    written = save(tensors)
    of = prompt_hash(prompt)
    return save(tensors, {"format": FORMAT, "prompt": of, "sum": _sum(of, tensors, written)})


def unpack(prompt: str, content: bytes) -> TextConditioning | None:
    """The features in these bytes; None if they are damaged or belong to another prompt."""
    try:
        (size,) = LENGTH.unpack_from(content)
        header = parse_json(content[LENGTH.size : LENGTH.size + size])
        tensors = load(content)
    except (struct.error, ValueError, SafetensorError, KeyError, OverflowError):
        return None
    about = header.get("__metadata__") if isinstance(header, dict) else None
    of = prompt_hash(prompt)
    if not isinstance(about, dict):
        return None
    if about.get("format") != FORMAT or about.get("prompt") != of or {*tensors} != {"vtxt", "ctxt"}:
        return None
    if about.get("sum") != _sum(of, tensors, content) or not tensors["ctxt"].ndim:
        return None
    try:
        return TextConditioning(
            vtxt=tensors["vtxt"], ctxt=tensors["ctxt"], length=len(tensors["ctxt"])
        )
    except RequestError:
        return None


def _sum(of: str, tensors: dict[str, Tensor], content: bytes) -> str:
    """Checksum of the values, types, shapes and the prompt's hash.

    The values are the file's last bytes; only the header determines their order and alignment.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{of} {name} {tensor.dtype} {[*tensor.shape]}\n".encode())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    digest.update(memoryview(content)[len(content) - size :])
    return digest.hexdigest()
