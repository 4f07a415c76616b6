"""TarDAL's discriminators, with the divergence form of the Wasserstein loss."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

SIDE = 28
"""Side of the last feature map for the authors' training images of 224 pixels."""
PENALTY_WEIGHT, PENALTY_POWER = 2, 6


class Discriminator(nn.Module):
    """Three halving convolutions and one linear score.

    Feature maps are averaged to 28×28 before the score. This changes nothing at the authors' 224
    pixels, and one network serves all tile sizes.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = (1, 32, 64, 128)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(SIDE), nn.Flatten())
        self.score = nn.Linear(channels[-1] * SIDE**2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) → (B, 1), larger for real images."""
        return self.score(self.layers(images))  # type: ignore[no-any-return]


class Adversaries(nn.Module):
    """The target discriminator judges warm objects, the detail discriminator edges."""

    def __init__(self) -> None:
        super().__init__()
        self.target, self.detail = Discriminator(), Discriminator()

    def deceived(self, target: Tensor, detail: Tensor) -> Tensor:
        """Return the generator's loss: minus both scores, with constant discriminators."""
        return -(_frozen(self.target, target) + _frozen(self.detail, detail)).mean()

    def discriminate(self, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor]) -> Tensor:
        """Return the discriminators' loss on (target, detail) images, with a constant generator."""
        networks = self.target, self.detail
        losses = map(_divergence, networks, real, (images.detach() for images in fake))
        return torch.stack(list(losses)).sum()


def _frozen(discriminator: Discriminator, images: Tensor) -> Tensor:
    constants = {name: tensor.detach() for name, tensor in discriminator.named_parameters()}
    return functional_call(discriminator, constants, (images,))  # type: ignore[no-any-return]


def _divergence(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), 1, 1, 1).to(real.device)
    mixed = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    penalty: Tensor = PENALTY_WEIGHT * slope.flatten(1).norm(dim=1) ** PENALTY_POWER
    margin: Tensor = discriminator(fake) - discriminator(real)
    return margin.mean() + penalty.mean()
