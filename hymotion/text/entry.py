"""One prompt's features as bytes: a safetensors file that says whose they are, with a checksum.

Only the valid tokens are kept, in the type that they were computed in, so nothing is lost.
"""

import hashlib
import json
import struct

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hymotion.conditioning import TextConditioning
from hymotion.errors import RequestError

FORMAT = "hymo-embedding-1"
LENGTH = struct.Struct("<Q")
"""How long the header is, at the start of a safetensors file."""


def prompt_hash(prompt: str) -> str:
    """The sha256 of a prompt, in hex; nothing else of it is kept."""
    # A lone surrogate is no text, but it is a prompt that can be asked for.
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def pack(prompt: str, text: TextConditioning) -> bytes:
    """The bytes of a prompt's features."""
    tensors = {
        "vtxt": text.vtxt.detach().cpu().contiguous(),
        "ctxt": text.ctxt[: text.length].detach().cpu().contiguous(),
    }
    written = save(tensors)
    of = prompt_hash(prompt)
    return save(tensors, {"format": FORMAT, "prompt": of, "sum": _sum(of, tensors, written)})


def unpack(prompt: str, content: bytes) -> TextConditioning | None:
    """The features in these bytes; None where they are damaged, or not this prompt's."""
    try:
        (size,) = LENGTH.unpack_from(content)
        header = json.loads(content[LENGTH.size : LENGTH.size + size])
        tensors = load(content)
    except (struct.error, ValueError, SafetensorError, KeyError, OverflowError):
        return None
    about = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    of = prompt_hash(prompt)
    if about.get("format") != FORMAT or about.get("prompt") != of or {*tensors} != {"vtxt", "ctxt"}:
        return None
    if about.get("sum") != _sum(of, tensors, content):
        return None
    try:
        return TextConditioning(
            vtxt=tensors["vtxt"], ctxt=tensors["ctxt"], length=len(tensors["ctxt"])
        )
    except RequestError:
        return None


def _sum(of: str, tensors: dict[str, Tensor], content: bytes) -> str:
    """Checksum of the numbers, their types and shapes, and whose they are.

    The numbers are the file's last bytes, in an order and alignment that the header alone sets.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{of} {name} {tensor.dtype} {[*tensor.shape]}\n".encode())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    digest.update(memoryview(content)[len(content) - size :])
    return digest.hexdigest()
