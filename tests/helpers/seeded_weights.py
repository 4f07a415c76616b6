"""Weights from a formula, for networks whose authors' file is too large to be kept anywhere.

The golden images of such a network were made with these weights: element j of tensor p is a
number t in [-1, 1) from the SplitMix64 generator, scaled by a rule of the network.
"""

import csv
import math

import numpy as np
import torch


def noise(position, count, seed=0):
    """Return `count` numbers in [-1, 1), float64, for the tensor at `position`."""
    start = (seed << 40) + (position << 24)
    with np.errstate(over="ignore"):
        z = np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return 2 * (z >> np.uint64(40)).astype(np.float64) / 2**24 - 1


def seeded(keys, rule, seed=0):
    """Return the state dict of all tensors that the table `keys` lists; `a/b` is key b of dict a.

    Args:
        keys: TSV file with position, key and shape.
        rule: (key, number of dimensions, fan, t) → values of one tensor.
        seed: seed of the golden file.
    """
    state = {}
    with keys.open(newline="") as stream:
        for position, key, shape in list(csv.reader(stream, delimiter="\t"))[1:]:
            sizes = [] if shape == "scalar" else [int(size) for size in shape.split(",")]
            t = noise(int(position), math.prod(sizes), seed)
            values = rule(key, len(sizes), math.prod(sizes[1:]), t).reshape(sizes)
            kind = np.int64 if key.endswith("num_batches_tracked") else np.float32
            *outer, name = key.split("/")
            place = state.setdefault(outer[0], {}) if outer else state
            place[name] = torch.from_numpy(np.asarray(values).astype(kind))
    return state


def cddfuse(key, dimensions, fan, t):
    """Rule of CDDFuse's golden file."""
    del dimensions
    if key.endswith(("temperature", "scale")):
        return 2 + t
    if "norm" in key and key.endswith("weight"):
        return 1 + 0.25 * t
    if "norm" in key and key.endswith("bias"):
        return 0.25 * t
    if key.endswith("bias"):
        return 0.1 * t
    if key.startswith("DIDF_Decoder") and key.endswith("output.2.weight"):
        return 2.0 * t * math.sqrt(3 / fan)
    if key.endswith("bottleneckBlock.0.weight"):
        return 4.0 * t * math.sqrt(3 / fan)
    if key.endswith("bottleneckBlock.5.weight"):
        return 0.25 * t * math.sqrt(3 / fan)
    return 0.8 * t * math.sqrt(3 / fan)


def freefusion(key, dimensions, fan, t):
    """Rule of FreeFusion's golden file."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(1)
    if key.endswith("running_var"):
        return 1 + 0.5 * t
    if key.endswith("running_mean"):
        return 0.1 * t
    if ".bn" in key or ".ln" in key:
        return 1 + 0.25 * t if key.endswith("weight") else 0.25 * t
    if key.endswith("bias"):
        return 0.1 * t
    if dimensions == 1:
        return 0.25 + 0.1 * t
    return t * math.sqrt(3.5 / fan)
