"""CDDFuse (Zhao et al., CVPR 2023): base features by attention between channels."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from harness.blocks.decomposition import ChannelBlock, Decomposition, authors_names

NAMES = {
    ".attn.scale": ".attention.temperature",
    ".attn.qkv1.": ".attention.qkv.",
    ".attn.qkv2.": ".attention.mix.",
    ".attn.proj.": ".attention.project.",
    ".mlp.project_in.": ".feed.expand.",
    ".mlp.dwconv.": ".feed.mix.",
    ".mlp.project_out.": ".feed.reduce.",
}


class CDDFuse(Decomposition):
    """The network; its base block mixes all channels of queries, keys and values."""

    def __init__(self) -> None:
        super().__init__(lambda: ChannelBlock(attention_groups=1, hidden=64, feed_groups=64))

    @staticmethod
    def official_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
        """Convert the authors' four state dicts into ours."""
        return authors_names(state, NAMES)
