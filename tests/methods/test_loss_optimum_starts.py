"""The control `loss_optimum`: the loss that it reaches does not depend on where it starts."""

import numpy as np
import pytest
import torch

from baselines.loss_optimum.control import LossOptimum
from harness.scenes.adapters import find_adapter
from harness.scenes.scene import INFRARED
from metrics.images import luma
from segfanet.losses import Sources, similarity_loss

SIDE = 48
PLACES = np.array([(0, 0), (0.3, 0.5)])
"""Upper left corners of the parts, as shares of height and width."""


def pair(name):
    """Return infrared and visible (2, 1, SIDE, SIDE): parts of a test image that is shipped."""
    adapter = find_adapter(name)
    scene = next(s for s in adapter.open_dataset({}).scenes if s.split == "test")
    places = (PLACES * np.array([scene.height, scene.width])).astype(int)
    cut = [scene.read(y, x, SIDE, SIDE) for y, x in places]
    return (
        torch.from_numpy(np.stack(images).astype(np.float32) / 255)[:, None]
        for images in ([bands[INFRARED] for bands in cut], [luma(bands[:3]) for bands in cut])
    )


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


STARTS = {
    "infrared": lambda infrared, visible: infrared,
    "visible": lambda infrared, visible: visible,
    "visible with noise": lambda infrared, visible: visible + 0.1 * torch.randn_like(visible),
    "noise": lambda infrared, visible: torch.rand_like(visible),
    "gray": lambda infrared, visible: torch.full_like(visible, 0.5),
    "black": lambda infrared, visible: torch.zeros_like(visible),
    "white": lambda infrared, visible: torch.ones_like(visible),
    "maximum": torch.maximum,
    "negative": lambda infrared, visible: 1 - (infrared + visible) / 2,
    "mirrored": lambda infrared, visible: ((infrared + visible) / 2).flip(-1),
}
"""Images from which the descent starts: near the optimum, far from it, and of other content."""


@pytest.fixture(scope="module", params=["synthetic_urban", "landsat7"])
def optimum(request):
    """Return the pairs, the loss that the control reaches on them, and that of the average."""
    infrared, visible = pair(request.param)
    sources = Sources(infrared, visible)
    fused = LossOptimum(steps=400, learning_rate=0.01).fuse(infrared, visible)
    losses = [similarity_loss(x, sources).item() for x in (fused, (infrared + visible) / 2)]
    return infrared, visible, *losses


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_every_start_reaches_the_same_loss(optimum, start):
    infrared, visible, reached, average = optimum
    torch.manual_seed(0)
    first = STARTS[start](infrared, visible).clamp(0, 1)
    assert descend(first, Sources(infrared, visible)) == pytest.approx(reached, rel=0.01)
    assert reached < average
