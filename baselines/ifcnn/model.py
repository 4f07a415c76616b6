"""IFCNN with the maximum rule (Zhang et al., Information Fusion 54, 2020), for gray pairs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import ConvNorm, channels_last
from harness.blocks.renaming import renamed

CHANNELS = 64
NAMES = {"conv1.": "stem.", "conv2.": "second.", "conv3.": "third.", "conv4.": "head."}
STATISTICS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Normalisation → mean and deviation of the three channels."""
LUMA = (0.299, 0.587, 0.114)
GRAY, GRAY_BITS = (9798, 19235, 3735), 15
"""Weights of OpenCV's conversion from 8-bit RGB to gray, in fixed point: their sum is 2¹⁵."""


class IFCNN(nn.Module):
    """The network; both sources pass through the same weights, so they may be swapped.

    The authors feed a gray image as three equal channels.

    Args:
        normalisation: `none`, as the authors fuse infrared and visible images, or `imagenet`,
            as the collection VIF-Benchmark runs the network.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, normalisation: str) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 7, bias=False)
        self.second, self.third = (ConvNorm(CHANNELS, CHANNELS, bias=False) for _ in range(2))
        self.head = nn.Conv2d(CHANNELS, 3, 1)
        mean, deviation = (torch.tensor(values) for values in STATISTICS[normalisation])
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs in [0, 1], any size; the result lies in [0, 1]."""
        joined = torch.maximum(self._features(infrared), self._features(visible))
        red, green, blue = torch.unbind(self._channels(self.third(joined))[:, :, None], dim=1)
        return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Truncate the three channels to 8 bits, then convert them to gray as OpenCV does.

        A truncation shows the last digit, so nothing is folded: the operations are the authors'.
        """
        features = [
            self.second.unfolded(self.stem(F.pad(self._normalised(image), (3,) * 4, "replicate")))
            for image in (infrared, visible)
        ]
        channels = self._channels(self.third.unfolded(torch.maximum(*features)))[0]
        red, green, blue = torch.unbind((255 * channels).to(torch.uint8).int())
        weighted = GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue + 2 ** (GRAY_BITS - 1)
        return torch.bitwise_right_shift(weighted, GRAY_BITS).to(torch.uint8)

    def _normalised(self, image: Tensor) -> Tensor:
        return (image - self.mean[:, None, None]) / self.deviation[:, None, None]

    def _channels(self, features: Tensor) -> Tensor:
        """(B, 64, H, W) → (B, 3, H, W) in [0, 1]; the channels differ although all is gray."""
        output: Tensor = self.head(features)
        scaled = output * self.deviation[:, None, None] + self.mean[:, None, None]
        return scaled.clamp_(0, 1)

    def _features(self, image: Tensor) -> Tensor:
        # A kernel over three equal channels is the sum of its three parts, over one channel. The
        # border repeats, so the normalisation of the channels is part of that kernel too.
        parts = self.stem.weight / self.deviation[:, None, None]
        weight = parts.sum(1, keepdim=True)
        bias = -(parts * self.mean[:, None, None]).sum((1, 2, 3))
        padded = F.pad(image, (3, 3, 3, 3), mode="replicate")
        return self.second(F.conv2d(channels_last(padded), weight, bias))  # type: ignore[no-any-return]

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours; their torch did not count batches yet."""
        counters = {
            f"{name}.bn.num_batches_tracked": torch.tensor(0) for name in ("second", "third")
        }
        return {**renamed(state, NAMES), **counters}
