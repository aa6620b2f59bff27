"""What the published release is: its name, sizes, and the features its networks take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hymotion.config import RELEASED, ModelConfig
from hymotion.network.flow import FlowModel
from hymotion.text.folder import UPSTREAM_MESSAGE, Fingerprint

Size = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release that can be imported.

    Attributes:
        name: of the model, as jobs name it.
        sizes: mode → (feat_dim, num_layers, num_heads).
        ctxt_dim, vtxt_dim: hidden sizes of the language model and of CLIP's text model.
        system_message: how the language model's system message is known.
        subfolders: mode → folder of that mode's files inside the publisher's repository.
    """

    name: str
    sizes: Mapping[str, Size]
    ctxt_dim: int
    vtxt_dim: int
    system_message: Fingerprint
    subfolders: Mapping[str, str]

    def mode_of(self, config: ModelConfig) -> str | None:
        """The mode whose size a configuration has; None for none of them."""
        for mode, size in self.sizes.items():
            if size == size_of(config):
                return mode
        return None

    def tensors(self, config: ModelConfig, mode: str) -> Mapping[str, Tensor]:
        """The tensors of a mode, without their numbers; other settings are `config`'s."""
        feat_dim, num_layers, num_heads = self.sizes[mode]
        network = replace(
            config.network, feat_dim=feat_dim, num_layers=num_layers, num_heads=num_heads
        )
        with torch.device("meta"):
            return FlowModel(replace(config, network=network)).state_dict()


def size_of(config: ModelConfig) -> Size:
    """(feat_dim, num_layers, num_heads) of a configuration."""
    network = config.network
    return (network.feat_dim, network.num_layers, network.num_heads)


HY_MOTION = Release(
    name="hy-motion-1.0",
    sizes={mode: size for size, mode in RELEASED.items()},
    ctxt_dim=4096,
    vtxt_dim=768,
    system_message=UPSTREAM_MESSAGE,
    subfolders={"full": "HY-Motion-1.0", "lite": "HY-Motion-1.0-Lite"},
)
"""The one release there is."""
