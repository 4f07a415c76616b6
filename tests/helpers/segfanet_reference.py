"""A second SegFANet: Eqs. 1–18 in float64 numpy, without any layer of torch.

Pictures and features are (B, C, H, W). `state` maps the names of the network's parameters and
buffers to arrays; the structure follows the paper and docs/protocol.md, point 8.
"""

import numpy as np
import torch

STAGES = 3


def relu(x):
    return np.maximum(x, 0)


def softmax(x, axis):
    shifted = np.exp(x - x.max(axis, keepdims=True))
    return shifted / shifted.sum(axis, keepdims=True)


def conv(state, name, x):
    """Convolve with an odd kernel and a zero border, as a sum over the taps of the kernel."""
    weight = state[f"{name}.weight"]
    margin = weight.shape[-1] // 2
    height, width = x.shape[-2:]
    padded = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    out = np.zeros((len(x), len(weight), height, width))
    for dy in range(weight.shape[2]):
        for dx in range(weight.shape[3]):
            window = padded[..., dy : dy + height, dx : dx + width]
            out += np.einsum("oi,bihw->bohw", weight[:, :, dy, dx], window)
    bias = state.get(f"{name}.bias")
    return out if bias is None else out + bias[:, None, None]


def bilinear(x, size):
    """Resample between pixel centres; positions outside have the border's value."""
    rows, columns = (_weights(old, new) for old, new in zip(x.shape[-2:], size, strict=True))
    return np.einsum("yh,bchw,xw->bcyx", rows, x, columns)


def _weights(old, new):
    weights = np.zeros((new, old))
    for i in range(new):
        place = min(max((i + 0.5) * old / new - 0.5, 0), old - 1)
        low = int(place)
        weights[i, low] += 1 - (place - low)
        weights[i, min(low + 1, old - 1)] += place - low
    return weights


def shrink(x, size):
    """Resample with a triangle as wide as the reduction, so that every pixel counts."""
    rows, columns = (_triangles(old, new) for old, new in zip(x.shape[-2:], size, strict=True))
    return np.einsum("yh,bchw,xw->bcyx", rows, x, columns)


def _triangles(old, new):
    scale = old / new
    places, centres = np.arange(old) + 0.5, (np.arange(new)[:, None] + 0.5) * scale
    weights = relu(1 - np.abs(places - centres) / scale)
    return weights / weights.sum(1, keepdims=True)


def adaptive_pool(x, side):
    """Return the mean of each cell ⌊i·n/side⌋ … ⌈(i+1)·n/side⌉ of a side × side grid."""
    height, width = x.shape[-2:]
    out = np.empty((*x.shape[:2], side, side))
    for i in range(side):
        rows = slice(i * height // side, -(-(i + 1) * height // side))
        for j in range(side):
            columns = slice(j * width // side, -(-(j + 1) * width // side))
            out[..., i, j] = x[..., rows, columns].mean((-2, -1))
    return out


def batch_norm(state, name, x, training):
    if training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    else:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / np.sqrt(variance + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def residual(state, name, x):
    return x + conv(state, f"{name}.second", relu(conv(state, f"{name}.first", x)))


def encoder_stage(state, name, x, halve):
    """E_i of Eqs. 1 and 2."""
    x = residual(state, f"{name}.refine", relu(conv(state, f"{name}.expand", x)))
    if not halve:
        return x
    return conv(state, f"{name}.mix", bilinear(x, (x.shape[-2] // 2, x.shape[-1] // 2)))


def image(state, name, x, plain):
    """Return the last convolution, alone or as a small change of grey."""
    last = conv(state, name, x)
    return last if plain else 0.5 + 0.0025 * last


def irm(state, name, f_s, plain=False):
    """Eq. 3: f^R_i and I_res,i."""
    for layer in (0, 2, 4, 6):
        f_s = relu(conv(state, f"{name}.body.{layer}", f_s))
    return f_s, image(state, f"{name}.head", f_s, plain)


def cam(state, name, f_f, f_r, side, training):
    """Eqs. 6–10: concat(O, f^F_i) and softmax(Q Kᵀ / √d)."""
    query, value = (
        batch_norm(state, f"{name}.norm_{part}", adaptive_pool(f_f, side), training)
        for part in "qv"
    )
    key = batch_norm(state, f"{name}.norm_k", adaptive_pool(f_r, side), training)
    batch, depth = f_f.shape[:2]
    query, key, value = (x.reshape(batch, depth, side * side) for x in (query, key, value))
    weights = softmax(np.einsum("bdi,bdj->bij", query, key) / np.sqrt(depth), axis=2)
    attended = np.einsum("bij,bdj->bdi", weights, value).reshape(batch, depth, side, side)
    return np.concatenate([bilinear(attended, f_f.shape[-2:]), f_f], 1), weights


def ffm(state, name, f_r, f_d):
    """Eqs. 11–13."""
    aligned = relu(conv(state, f"{name}.align.2", relu(conv(state, f"{name}.align.0", f_r))))
    a = np.concatenate([aligned, f_d], 1)
    b = relu(conv(state, f"{name}.merge.2", relu(conv(state, f"{name}.merge.0", a))))
    return conv(state, f"{name}.project", np.concatenate([b, f_d], 1))


def group_norm(state, name, x):
    """Normalise each group of eight channels, or all channels of a narrow layer."""
    batch, depth, height, width = x.shape
    grouped = x.reshape(batch, max(1, depth // 8), -1)
    mean, variance = grouped.mean(2, keepdims=True), grouped.var(2, keepdims=True)
    x = ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(batch, depth, height, width)
    return x * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def normalised_conv(state, name, x, grouped):
    x = conv(state, f"{name}.0", x)
    return relu(group_norm(state, f"{name}.1", x) if grouped else x)


def halve(x):
    """Return the mean of 2×2 pixels; an odd last row or column is left out."""
    x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def segmentation_decoder(state, f_s, halvings=3, grouped=True):
    name = "segmentation_decoder"
    levels = [*f_s[:2], normalised_conv(state, f"{name}.bottom", f_s[2], grouped)]
    for step in range(halvings):
        levels.append(normalised_conv(state, f"{name}.down.{step}", halve(levels[-1]), grouped))
    x = levels.pop()
    for step, skip in enumerate(reversed(levels)):
        joined = np.concatenate([bilinear(x, skip.shape[-2:]), skip], 1)
        x = normalised_conv(state, f"{name}.up.{step}", joined, grouped)
    return conv(state, f"{name}.head", x)


def fusion_decoder(state, deepest, aligned, plain):
    x = relu(conv(state, "bottom", deepest))
    for i in reversed(range(STAGES)):
        x = residual(state, f"refine.{i}", x)
        if i < len(aligned):
            x = ffm(state, f"sinets.{i}.ffm", aligned[i], x)
        if i > 0:
            doubled = bilinear(x, (2 * x.shape[-2], 2 * x.shape[-1]))
            x = conv(state, f"up.{i - 1}", doubled)
    return image(state, "head", x, plain)


def forward(state, config, infrared, visible, training):
    """Run the whole network on sides that are multiples of four; keys are the names of `Output`.

    Of `config`, this reads the settings of Tables 3-5 and where the network departs from the text.
    """
    plain, grouped = config.head == "plain", config.segmentation_norm == "group"
    pair = np.concatenate([infrared, visible], 1)
    pair = 4 * (pair - 0.5) if config.scale_inputs else pair
    f_s, x = [], pair
    for i in range(STAGES):
        x = encoder_stage(state, f"segmentation_encoder.{i}", x, halve=i > 0)
        f_s.append(x)
    aligned, reconstructed = f_s[: config.sinets], []
    if config.irm:
        pairs = [irm(state, f"sinets.{i}.irm", f, plain) for i, f in enumerate(aligned)]
        aligned, reconstructed = [f_r for f_r, _ in pairs], [image for _, image in pairs]
    fusion, attention, x = [], [], pair
    for i in range(STAGES):
        x = encoder_stage(state, f"fusion_encoder.{i}", x, halve=i > 0)
        if i >= config.sinets:
            continue
        fusion.append(x)
        if config.cam:
            x, weights = cam(state, f"sinets.{i}.cam", x, aligned[i], config.pool[i], training)
            attention.append(weights)
        else:
            x = x + aligned[i]
    return {
        "fused": fusion_decoder(state, x, aligned, plain),
        "logits": segmentation_decoder(state, f_s, config.segmentation_context, grouped),
        "reconstructed": reconstructed,
        "segmentation": f_s[: config.sinets],
        "aligned": aligned,
        "fusion": fusion,
        "attention": attention,
    }


def ssim(a, b):
    """Mean SSIM of (B, 1, H, W) images over the windows that fit; moments are centred."""
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    window /= window.sum()
    patches = [np.lib.stride_tricks.sliding_window_view(x, (11, 11), (2, 3)) for x in (a, b)]
    means = [np.einsum("bcyxij,ij->bcyx", x, window) for x in patches]
    x, y = (x - mean[..., None, None] for x, mean in zip(patches, means, strict=True))
    variances = [np.einsum("bcyxij,ij->bcyx", z * z, window) for z in (x, y)]
    covariance = np.einsum("bcyxij,ij->bcyx", x * y, window)
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return (luminance * (2 * covariance + c2) / (sum(variances) + c2)).mean()


def fusion_loss(fused, infrared, visible):
    """Eq. 15, and the summand of Eq. 16."""
    return (1 - ssim(fused, infrared)) + (1 - ssim(fused, visible))


def reconstruction_loss(images, infrared, visible):
    """Eqs. 16, 17."""
    sources = [[shrink(x, image.shape[-2:]) for x in (infrared, visible)] for image in images]
    return sum(fusion_loss(image, *pair) for image, pair in zip(images, sources, strict=True))


def segmentation_loss(logits, label, ignore=255, every_class=False):
    """Return Eq. 18 pixel by pixel: cross entropy, and Dice over the classes that occur or all."""
    shares = softmax(logits, axis=1)
    known = [(b, y, x) for b, y, x in np.ndindex(label.shape) if label[b, y, x] != ignore]
    entropy = np.mean([-np.log(shares[b, label[b, y, x], y, x]) for b, y, x in known])
    scores = []
    occurring = sorted({int(label[place]) for place in known})
    for cls in range(logits.shape[1]) if every_class else occurring:
        overlap = sum(shares[b, cls, y, x] for b, y, x in known if label[b, y, x] == cls)
        size = sum(shares[b, cls, y, x] + (label[b, y, x] == cls) for b, y, x in known)
        scores.append((2 * overlap + 0.05) / (size + 0.05))
    return entropy + 1 - np.mean(scores)


def images(seed, *shape):
    """Make uniform random images in [0, 1], float64, of any shape."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
