"""The width at which a setting of SegFANet has the parameters of another one."""

from dataclasses import replace

import torch

from segfanet.config import Config
from segfanet.model import SegFANet


def widened(config: Config) -> Config:
    """Return the setting at the width at which it has the parameters of `capacity` SINets.

    Parameters grow with the square of the width, which is a whole number: with one SINet in the
    place of three they differ by less than 5 % where the width is a multiple of 4.
    """
    if not config.capacity:
        return config
    wanted = _parameters(replace(config, sinets=config.capacity))
    guess = round(config.width * (wanted / _parameters(config)) ** 0.5)
    settings = [replace(config, width=width) for width in (guess - 1, guess, guess + 1)]
    return min(settings, key=lambda setting: abs(_parameters(setting) - wanted))


def _parameters(config: Config) -> int:
    # This device takes no memory and draws no random number.
    with torch.device("meta"):
        network = SegFANet(config)
    return sum(parameter.numel() for parameter in network.parameters())
