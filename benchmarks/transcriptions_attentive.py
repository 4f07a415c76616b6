"""Networks of `baselines/` with attention, gates or spectra, line by line in plain torch.

As in `transcriptions.py`, each function takes our method, for its weights, and one pair. Padding,
concatenation, normalisation and order are those of the descriptions of the authors' networks.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.transcriptions import conv, norm


def _minmax(x: Tensor, epsilon: float = 0.0) -> Tensor:
    return (x - x.min()) / (x.max() - x.min() + epsilon)


def mmdrfuse(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Two convolutions with reflected borders."""
    x = F.relu(conv(torch.cat([infrared, visible], dim=1), method.stem, "reflect"))
    return torch.tanh(conv(x, method.head, "reflect"))


def datfuse(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Residual block and gates, transformer blocks, the same residual block and gates."""
    channel, pixel = method.channel_gate, method.pixel_gate

    def residual(x: Tensor) -> Tensor:
        layer = method.residual
        x = F.relu(norm(conv(x, layer.conv, "replicate"), layer.bn))
        return norm(conv(x, layer.conv, "replicate"), layer.bn)

    def gates(x: Tensor) -> Tensor:
        pooled = F.relu(conv(F.adaptive_avg_pool2d(x, 1), channel[0]))
        hidden = F.relu(norm(conv(x, pixel[0]), pixel[1]))
        by_pixel = torch.sigmoid(norm(conv(hidden, pixel[3]), pixel[4]))
        return x * torch.sigmoid(conv(pooled, channel[2])) + x * by_pixel

    x = conv(torch.cat([infrared, visible], dim=1), method.stem[0], "replicate")
    x = F.relu(norm(x, method.stem[1]))
    x = F.relu(gates(residual(x)) + x)
    tokens = x.view(-1, x.shape[1])
    for block in method.tokens.blocks:
        tokens = tokens + block.project(block.value(block.norm1(tokens)))
        tokens = tokens + block.reduce(F.gelu(block.expand(block.norm2(tokens))))
    x = residual(tokens.view(x.shape))
    return torch.tanh(conv(gates(x) + x, method.head))


def lrrnet(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Soft thresholds between convolutions from one channel and to one channel."""

    def coded(x: Tensor, branch: Any) -> tuple[Tensor, ...]:
        threshold = branch.threshold[..., None, None]

        def soft(z: Tensor) -> Tensor:
            return torch.sign(z) * torch.maximum(z.abs() - threshold, torch.zeros_like(z))

        code = soft(conv(x, branch.encode, "reflect"))
        for encode, decode in zip(branch.encodes, branch.decodes, strict=True):
            missing = x - conv(code, decode, "reflect")
            code = soft(branch.memory * code + conv(missing, encode, "reflect"))
        return code.chunk(2, dim=1)

    low_i, sparse_i = coded(_minmax(255 * infrared, 1e-5), method.infrared)
    low_v, sparse_v = coded(_minmax(255 * visible, 1e-5), method.visible)
    a, b = conv(low_i, method.infrared_low, "reflect"), conv(low_v, method.visible_low, "reflect")
    c = conv(sparse_i, method.infrared_sparse, "reflect")
    d = conv(sparse_v, method.visible_sparse, "reflect")
    low = conv(torch.cat([a, b], dim=1), method.low, "reflect")
    return _minmax(low + conv(torch.cat([c, d], dim=1), method.sparse, "reflect"), 1e-5)


def sfdfusion(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Convolved amplitudes and phases, gates, and a decoder of both."""

    def spectral(x: Tensor, layers: Any) -> Tensor:
        return F.leaky_relu(conv(F.leaky_relu(conv(x, layers[0]), 0.1), layers[2]), 0.1)

    def gated(x: Tensor, layer: Any) -> Tensor:
        return x * torch.sigmoid(conv(x, layer))

    # Some elements are real and negative: rounding, which is not the same for one image and for
    # two, decides whether their angle is π or −π.
    spectra = torch.fft.rfft2(torch.cat([infrared, visible], dim=1))
    amplitude = spectral(spectra.abs(), method.amplitude)
    phase = spectral(spectra.angle(), method.phase)
    real, imaginary = amplitude * phase.cos() + 1e-8, amplitude * phase.sin() + 1e-8
    mixed = torch.fft.irfft2(torch.complex(real, imaginary), s=infrared.shape[-2:]).abs()
    pooled = torch.cat([mixed.amax(1, keepdim=True), mixed.mean(1, keepdim=True)], dim=1)
    frequency = F.relu(conv(F.relu(conv(pooled, method.frequency[0])), method.frequency[2]))
    branches = (method.infrared, infrared), (method.visible, visible)
    own = [F.relu(conv(image, branch.embed)) for branch, image in branches]
    parts = [
        gated(x, branch.gate) + gated(own[0] + own[1], branch.joint_gate)
        + (conv(x, branch.edges_x).abs() + conv(x, branch.edges_y).abs())
        for x, (branch, _) in zip(own, branches, strict=True)
    ]  # fmt: skip
    x = F.relu(conv(torch.cat([*parts, frequency], dim=1), method.merge))
    for layer in method.decoder[:-1:2]:
        x = conv(F.relu(x), layer)
    return _minmax(torch.tanh(x))


def sage(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Three scales down, two up."""

    def layers(x: Tensor, block: Any) -> Tensor:
        for layer, bn in zip(block[::3], block[1::3], strict=True):
            x = F.leaky_relu(norm(conv(x, layer), bn), 0.01)
        return x

    full = layers(torch.cat([visible, infrared], dim=1), method.blocks[0])
    half = layers(F.max_pool2d(full, 2), method.blocks[1])
    x = layers(F.max_pool2d(half, 2), method.blocks[2])
    for skip, point, block in zip((half, full), method.points, method.blocks[3:], strict=True):
        x = F.interpolate(x, skip.shape[-2:], mode="bilinear")
        x = layers(layers(torch.cat([x, skip], dim=1), point), block)
    return torch.tanh(conv(x, method.head))


def _pixel_norm(x: Tensor, norm: Any) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    scaled = (x - mean) / torch.sqrt(variance + 1e-5)
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


def _channel_block(x: Tensor, block: Any) -> Tensor:
    attention, feed = block.attention, block.feed
    qkv = conv(conv(_pixel_norm(x, block.norm1), attention.qkv), attention.mix)
    query, key, value = (part.reshape(len(x), 8, 8, -1) for part in qkv.chunk(3, dim=1))
    products = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT
    mixed = (products * attention.temperature).softmax(-1) @ value
    x = x + conv(mixed.reshape(x.shape), attention.project)
    gate, hidden = conv(conv(_pixel_norm(x, block.norm2), feed.expand), feed.mix).chunk(2, dim=1)
    return x + conv(F.gelu(gate) * hidden, feed.reduce)


def _pool_block(x: Tensor, block: Any) -> Tensor:
    normal = _pixel_norm(x, block.norm1)
    pooled = F.avg_pool2d(normal, 3, stride=1, padding=1)
    x = x + block.scale1[:, None, None] * (pooled - normal)
    hidden = F.gelu(conv(_pixel_norm(x, block.norm2), block.expand))
    return x + block.scale2[:, None, None] * conv(hidden, block.reduce)


def _detail_node(x: Tensor, node: Any) -> Tensor:
    def bottleneck(z: Tensor, layers: Any) -> Tensor:
        z = F.relu6(conv(F.relu6(conv(z, layers[0])), layers[2], "reflect"))
        return conv(z, layers[4])

    first, second = conv(x, node.shuffle).chunk(2, dim=1)
    second = second + bottleneck(first, node.phi)
    first = first * torch.exp(bottleneck(second, node.rho)) + bottleneck(second, node.eta)
    return torch.cat([first, second], dim=1)


def _decomposition(base_block: Callable[[Tensor, Any], Tensor]) -> Callable[..., Tensor]:
    def network(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
        bases, details = [], []
        for image in (visible, infrared):
            x = conv(image, method.embed)
            for block in method.encoder:
                x = _channel_block(x, block)
            bases.append(base_block(x, method.base))
            for node in method.detail:
                x = _detail_node(x, node)
            details.append(x)
        base = base_block(bases[0] + bases[1], method.base_fusion)
        detail = _detail_node(details[0] + details[1], method.detail_fusion)
        x = conv(torch.cat([base, detail], dim=1), method.reduce)
        for block in method.decoder:
            x = _channel_block(x, block)
        x = F.leaky_relu(conv(x, method.head[0]), 0.01)
        return torch.sigmoid(conv(x, method.head[2]) + visible)

    return network


def freefusion(method: Any, infrared: Tensor, visible: Tensor) -> Tensor:
    """Two encoders on three scales, their fusion and attention, one decoder; sides by 4."""
    pairs = (_encoded(infrared, method.infrared), _encoded(visible, method.visible))
    scales = [_fused(*pair, scale) for *pair, scale in zip(*pairs, method.scales, strict=True)]
    x = scales[-1]
    for step, size in zip(method.decoder.steps, (scales[1].shape, scales[0].shape), strict=True):
        resized = torch.cat([F.interpolate(scale, size[-2:]) for scale in scales], dim=1)
        skip = conv(F.relu(conv(resized, step.join.pointwise)), step.join.conv)
        x = F.relu(step.narrow(_residual(x, step.residual)))
        x = conv(F.interpolate(x, size[-2:], mode="bilinear"), step.pointwise)
        x = F.relu(conv(torch.cat([x, skip], dim=1), step.merge))
    return conv(_residual(x, method.decoder.residual), method.decoder.head)


def _residual(x: Tensor, layers: Any) -> Tensor:
    return x + conv(F.relu(conv(x, layers[0])), layers[2])


def _encoded(x: Tensor, encoder: Any) -> list[Tensor]:
    features: list[Tensor] = []
    for widen, residual in zip(encoder.widen, encoder.residuals, strict=True):
        x = _residual(F.relu(conv(x, widen)), residual)
        if features:
            x = F.interpolate(x, scale_factor=0.5, mode="bilinear")
            x = conv(x, encoder.shrinks[len(features) - 1])
        features.append(x)
    return features


def _fused(infrared: Tensor, visible: Tensor, scale: Any) -> Tensor:
    pair, weighted = torch.cat([infrared, visible], dim=1), []
    for features, chain in zip((infrared, visible), scale.merge.chains, strict=True):
        hidden = pair
        for layer in (chain[0], chain[2], chain[4]):
            hidden = F.relu(conv(hidden, layer))
        weighted.append(features * conv(hidden, chain[6]))
    fused = F.relu(conv(torch.cat(weighted, dim=1), scale.merge.join))
    semantic = fused + conv(conv(fused, scale.semantics[0]), scale.semantics[1])
    return fused + F.interpolate(
        _attended(fused, semantic, scale), fused.shape[-2:], mode="bilinear"
    )


def _attended(fused: Tensor, semantic: Tensor, scale: Any) -> Tensor:
    """Attention among both on the pooled size, then among the fused alone."""

    def heads(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], 8, -1).transpose(1, 2)

    def attend(query: Tensor, key: Tensor, value: Tensor, layer: Any) -> Tensor:
        query, key, value = heads(query), heads(key), heads(value)
        scores = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        return layer((scores @ value).transpose(1, 2).flatten(2))

    def image(tokens: Tensor) -> Tensor:
        return tokens.mT.reshape(len(tokens), -1, side, side)

    block, side = scale.interact, scale.interact.pooled
    both = zip((fused, semantic), (block.bn1, block.bn2), strict=True)
    tokens = [norm(F.adaptive_avg_pool2d(x, side), bn).flatten(2).mT for x, bn in both]
    x = torch.cat(tokens, dim=1)
    layers = block.sa
    x = attend(layers.que_proj(x), layers.key_proj(x), layers.val_proj(x), layers.out_proj)
    x = image(block.ln_output(x)[:, : side * side])
    x = conv(F.relu(conv(x, block.mlp1[0])), block.mlp1[2]).flatten(2).mT
    layers = scale.query.cs
    x = attend(layers.key_proj(x), layers.val_proj(x), layers.que_proj(x), layers.out_proj)
    return image(scale.query.ln_output(x))


TRANSCRIPTIONS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "cddfuse": _decomposition(_channel_block),
    "datfuse": datfuse,
    "freefusion": freefusion,
    "lrrnet": lrrnet,
    "mmdrfuse": mmdrfuse,
    "pfcfuse": _decomposition(_pool_block),
    "sage": sage,
    "sfdfusion": sfdfusion,
}
"""Name of a method → its transcription."""
