"""Convolutional networks of `baselines/` line by line as their authors describe them.

Each function takes our method, for its weights, and one pair, and uses nothing but plain torch:
images are padded and feature maps concatenated as the description says. The networks of
`baselines/` must give the same numbers, and not take longer.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def conv(x: Tensor, layer: Any, mode: str = "constant") -> Tensor:
    """Convolve at the same size, after padding in any mode of `torch.nn.functional.pad`."""
    side = layer.kernel_size[0] // 2
    padded = F.pad(x, (side, side, side, side), mode=mode) if side else x
    return F.conv2d(padded, layer.weight, layer.bias, groups=layer.groups)


def norm(x: Tensor, layer: Any) -> Tensor:
    """Normalise by running statistics."""
    return F.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias)


def _normalised(x: Tensor, block: Any) -> Tensor:
    x = conv(x, block.conv, "replicate")
    return F.relu(
        F.batch_norm(x, block.bn.running_mean, block.bn.running_var, block.bn.weight, block.bn.bias)
    )


def seafusion(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Two encoders of gradient dense blocks, one decoder."""
    features = []
    for encoder, image in ((method.visible, visible), (method.infrared, infrared)):
        x = F.leaky_relu(conv(image, encoder.stem), 0.2)
        for block in encoder.blocks:
            y = torch.cat([x, F.leaky_relu(conv(x, block.first), 0.2)], dim=1)
            z = torch.cat([y, F.leaky_relu(conv(y, block.second), 0.2)], dim=1)
            gradient = conv(x, block.columns).abs() + conv(x, block.rows).abs()
            x = F.leaky_relu(conv(z, block.merge) + conv(gradient, block.shortcut), 0.1)
        features.append(x)
    x = conv(torch.cat(features, dim=1), method.join)
    for layer in method.decoder:
        x = conv(F.leaky_relu(x, 0.2), layer)
    return torch.tanh(x) / 2 + 0.5


def ifcnn_channels(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Three equal channels in, the maximum of the features, three channels out."""
    features = [
        _normalised(conv(image.expand(-1, 3, -1, -1), method.stem, "replicate"), method.second)
        for image in (infrared, visible)
    ]
    return conv(_normalised(torch.maximum(*features), method.third), method.head).clamp(0, 1)


def ifcnn(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """The luma of the three channels."""
    x = ifcnn_channels(method, infrared, visible)
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def densefuse(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """A dense encoder of both images, the mean of the features, a decoder."""
    features = []
    for image in (infrared, visible):
        x = F.relu(conv(255 * image, method.stem, "reflect"))
        for layer in method.dense:
            x = torch.cat([x, F.relu(conv(x, layer, "reflect"))], dim=1)
        features.append(x)
    x = (features[0] + features[1]) / 2
    for layer in method.decoder:
        x = F.relu(conv(x, layer, "reflect"))
    return x / 255


def u2fusion(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """A dense block whose new features come first, then a chain of convolutions."""
    x = torch.cat([visible, infrared], dim=1)
    for index, layer in enumerate(method.layers[:-1]):
        y = F.leaky_relu(conv(x, layer, "reflect"), 0.2)
        x = torch.cat([y, x], dim=1) if 0 < index < 6 else y
    return torch.tanh(conv(x, method.layers[-1], "reflect")) / 2 + 0.5


def stdfusionnet(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Residual blocks of both images, then of the joined features."""

    def residual(x: Tensor, block: Any, activation: Callable[[Tensor], Tensor]) -> Tensor:
        h = F.leaky_relu(conv(x, block.conv1), 0.2)
        h = F.leaky_relu(conv(h, block.conv2), 0.2)
        return activation(conv(h, block.conv3) + block.identity_conv(x))

    def leaky(x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.2)

    features = []
    for encoder, image in ((method.visible, visible), (method.infrared, infrared)):
        x = leaky(conv(2 * image - 1, encoder.conv1))
        for block in (encoder.block1, encoder.block2, encoder.block3):
            x = residual(x, block, leaky)
        features.append(x)
    x = torch.cat(features, dim=1)
    last = method.reconstruction
    x = residual(residual(x, last.block1, F.elu), last.block2, F.elu)
    return (residual(residual(x, last.block3, leaky), last.block4, torch.tanh) + 1) / 2


TRANSCRIPTIONS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "densefuse": densefuse,
    "ifcnn": ifcnn,
    "seafusion": seafusion,
    "stdfusionnet": stdfusionnet,
    "u2fusion": u2fusion,
}
"""Name of a method → its transcription."""
