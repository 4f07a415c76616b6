"""The control `loss_optimum`: the loss that it reaches does not depend on where it starts."""

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.loss_optimum.control import LossOptimum
from harness.disk.schema import ROOT
from metrics.images import luma
from segfanet.losses import Sources, similarity_loss

SIDE = 64
PLACES = ((0, 0), (200, 300), (500, 120))


def pair():
    """Return infrared and visible (3, 1, SIDE, SIDE): parts of the shipped town."""
    folder = ROOT / "harness" / "datasets" / "synthetic_urban"
    rgb = np.moveaxis(np.asarray(Image.open(folder / "rgb" / "test_00.png")), 2, 0)
    infrared = np.asarray(Image.open(folder / "ir" / "test_00.png"))

    def parts(image):
        cut = [image[y : y + SIDE, x : x + SIDE] for y, x in PLACES]
        return torch.from_numpy(np.stack(cut).astype(np.float32) / 255)[:, None]

    return parts(infrared), parts(luma(rgb))


def descend(start, sources, steps=800):
    pixels = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([pixels], lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        (similarity_loss(pixels, sources) * len(pixels)).backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return similarity_loss(pixels, sources).item()


@pytest.mark.slow
def test_every_start_reaches_the_same_loss():
    infrared, visible = pair()
    sources = Sources(infrared, visible)
    control = LossOptimum(steps=400, learning_rate=0.01).fuse(infrared, visible)
    reached = similarity_loss(control, sources).item()
    torch.manual_seed(0)
    noise = (visible + 0.1 * torch.randn_like(visible)).clamp(0, 1)
    for start in (infrared, visible, noise, torch.full_like(visible, 0.5)):
        assert descend(start, sources) == pytest.approx(reached, rel=0.005)
    average = similarity_loss((infrared + visible) / 2, sources).item()
    assert reached < average
