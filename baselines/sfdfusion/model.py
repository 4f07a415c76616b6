"""SFDFusion (Hu et al., ECAI 2024): a spatial and a spectral branch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.blocks.layers import stretched
from harness.blocks.renaming import renamed

CHANNELS, WIDTHS, SLOPE, EPSILON = 8, (32, 128, 64, 32), 0.1, 1e-8
NAMES = {
    **{
        f"dmrm.{theirs}": f"{ours}."
        for short, name in (("ir", "infrared"), ("vi", "visible"))
        for theirs, ours in (
            (f"{short}_embed.0.", f"{name}.embed"),
            (f"{short}_att1.att.0.", f"{name}.gate"),
            (f"{short}_att2.att.0.", f"{name}.joint_gate"),
            (f"grad_{short}.convx.", f"{name}.edges_x"),
            (f"grad_{short}.convy.", f"{name}.edges_y"),
        )
    },
    "ff1.conv1.": "amplitude.",
    "ff2.conv1.": "phase.",
    "ifft.conv1.": "frequency.",
    "fus_block.encoder.0.": "merge.",
    **{f"fus_block.down_conv.{i}.0.": f"decoder.{2 * i}." for i in range(len(WIDTHS))},
}


class Branch(nn.Module):
    """Features of one image: gated by themselves and by those of both, and their edges."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, CHANNELS, 3, padding=1)
        self.gate = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.joint_gate = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        # The authors initialise these with Sobel kernels and train them.
        self.edges_x, self.edges_y = (
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False)
            for _ in range(2)
        )

    def forward(self, own: Tensor, both: Tensor) -> Tensor:
        """(B, CHANNELS, H, W) embedded features of this image and of both → the same shape."""
        gated = own * self.gate(own).sigmoid_() + both * self.joint_gate(both).sigmoid_()
        return gated.add_(self.edges_x(own).abs_().add_(self.edges_y(own).abs_()))  # type: ignore[no-any-return]


class SFDFusion(nn.Module):
    """The network; infrared and visible have separate weights."""

    def __init__(self) -> None:
        super().__init__()
        self.infrared, self.visible = Branch(), Branch()
        self.amplitude, self.phase = _spectral(), _spectral()
        self.frequency = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, CHANNELS, 3, padding=1),
            nn.ReLU(),
        )
        self.merge = nn.Conv2d(3 * CHANNELS, WIDTHS[0], 3, padding=1)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(WIDTHS, (*WIDTHS[1:], 1), strict=True):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*layers[:-1], nn.Tanh())

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """(B, 1, H, W) pairs in [0, 1], any size → (B, 1, H, W) in (−1, 1)."""
        own = [
            F.relu_(branch.embed(image))
            for branch, image in ((self.infrared, infrared), (self.visible, visible))
        ]
        both = own[0] + own[1]
        features = [self.infrared(own[0], both), self.visible(own[1], both)]
        mixed = self._mixed_spectrum(infrared, visible)
        features.append(self.frequency(mixed.expand(-1, 2, -1, -1)))
        return self.decoder(F.relu_(self.merge(torch.cat(features, dim=1))))  # type: ignore[no-any-return]

    def _mixed_spectrum(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Return the image whose amplitude and phase are mixed from those of both sources.

        The half spectra are convolved as if they were images. The inverse transform is given the
        size of the sources, so that an odd width is kept; the authors crop it.
        """
        spectra = torch.fft.rfft2(torch.cat([infrared, visible], dim=1))
        amplitude, phase = self.amplitude(spectra.abs()), self.phase(spectra.angle())
        real, imaginary = amplitude * phase.cos() + EPSILON, amplitude * phase.sin() + EPSILON
        spectrum = torch.complex(real, imaginary)
        return torch.fft.irfft2(spectrum, s=infrared.shape[-2:]).abs()  # type: ignore[no-any-return]

    def fuse(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuse float32 (B, 1, H, W) pairs; each output is stretched to [0, 1], as in training."""
        return stretched(self(infrared, visible))

    def publish(self, infrared: Tensor, visible: Tensor, rgb: Tensor | None) -> Tensor:
        """Crop odd sides, then truncate the gray output, which is stretched already."""
        height, width = (side - side % 2 for side in infrared.shape[-2:])
        cropped = (image[..., :height, :width] for image in (infrared, visible))
        return (self.fuse(*cropped)[0, 0] * 255).to(torch.uint8)

    @staticmethod
    def official_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the authors' state dict into ours."""
        return renamed(state, NAMES)


def _spectral() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 1, 3, padding=1), nn.LeakyReLU(SLOPE),
        nn.Conv2d(1, 1, 3, padding=1), nn.LeakyReLU(SLOPE),
    )  # fmt: skip
