"""TarDAL (Liu et al., CVPR 2022): a dense generator, trained against two discriminators."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.tardal.adversaries import Adversaries
from baselines.tardal.losses import content_loss, gradient_magnitude
from harness.blocks.saliency import histogram_contrast, saliency_weights
from harness.methods.contract import Batch

CHANNELS, DENSE_LAYERS = 32, 3
TRAINING_SIDE = 224
ADVERSARIAL_WEIGHT = 0.1


class Norm(nn.BatchNorm2d):
    """Batch normalisation that can use the statistics of the batch in evaluation too."""

    batch_statistics = True

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        if self.batch_statistics and not self.training:
            # torch's own kernel sums channels-last memory in single precision, which loses
            # three digits. `var_mean` sums in double, and updates no running statistics.
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            return F.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), Norm(outputs), nn.ReLU(True))


class Generator(nn.Module):
    """A dense block over both images, then four convolutions down to one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _layer(2, CHANNELS)
        self.dense = nn.ModuleList(
            _layer(CHANNELS * (i + 1), CHANNELS) for i in range(DENSE_LAYERS)
        )
        wide = CHANNELS * (DENSE_LAYERS + 1)
        self.fuse = nn.Sequential(
            nn.Sequential(nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(True)),
            _layer(wide, wide // 2),
            _layer(wide // 2, wide // 4),
            nn.Sequential(nn.Conv2d(wide // 4, 1, 3, padding=1), nn.Tanh()),
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], any size → (B, 1, H, W) in (−1, 1)."""
        pair = torch.cat([infrared, visible], dim=1)
        # With channels-last memory, convolutions on a CPU are up to twice as fast.
        features = self.encoder(pair.contiguous(memory_format=torch.channels_last))
        for layer in self.dense:
            features = torch.cat([features, layer(features)], dim=1)
        return self.fuse(features).contiguous()  # type: ignore[no-any-return]


class TarDAL(nn.Module):
    """The generator, and for training its two discriminators.

    Args:
        statistics: the statistics that batch normalisation uses when fusing. `batch`: mean and
            variance of the image itself; `running`: those stored in training; `authors`: as the
            flag `use_eval` of the weight file demands (DT: batch; TT, CT: running), and `batch`
            for weights trained here.

    Raises:
        ValueError: for another value of `statistics`.
    """

    def __init__(self, statistics: str = "authors") -> None:
        super().__init__()
        if statistics not in ("authors", "batch", "running"):
            raise ValueError(f"statistics is {statistics!r}; use authors, batch or running")
        self.statistics = statistics
        self.generator, self.auxiliary = Generator(), Adversaries()
        self._use_batch_statistics(statistics != "running")

    def _use_batch_statistics(self, wanted: bool) -> None:
        for norm in (module for module in self.generator.modules() if isinstance(module, Norm)):
            norm.batch_statistics = wanted

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; unclamped, see `harness.methods.contract.Method`."""
        return self.generator(infrared, visible)  # type: ignore[no-any-return]

    def training_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return terms of generator and discriminators; neither trains the other's parameters."""
        infrared, visible = (_shrink(image) for image in (batch.infrared, batch.visible))
        fused = self.generator(infrared, visible)
        mask = histogram_contrast(infrared)
        real = infrared * mask, gradient_magnitude(visible) * (1 - mask)
        fake = fused * mask, gradient_magnitude(fused) * (1 - mask)
        weights = saliency_weights(infrared, visible)
        return {
            "content": content_loss(fused, (infrared, visible), weights),
            "deceive": ADVERSARIAL_WEIGHT * self.auxiliary.deceived(*fake),
            "discriminate": self.auxiliary.discriminate(real, fake),
        }

    def official_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours and obey its flag `use_eval`."""
        tensors = dict(state)
        use_eval = bool(tensors.pop("use_eval", True))
        if self.statistics == "authors":
            self._use_batch_statistics(not use_eval)
        return {f"generator.{key}": tensor for key, tensor in tensors.items()}


def _shrink(images: Tensor) -> Tensor:
    if min(images.shape[-2:]) <= TRAINING_SIDE:
        return images
    size = (TRAINING_SIDE, TRAINING_SIDE)
    return F.interpolate(images, size, mode="bilinear", align_corners=False)
