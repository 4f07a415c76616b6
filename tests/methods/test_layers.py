"""Layers that several methods share."""

import numpy as np
import torch

from harness.blocks.layers import BatchRenorm


def batches(count):
    """Make noise of standard deviation 3 around means of standard deviation 4."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return [3 * normal(1, 2, 5, 4) + 4 * normal(1, 2, 1, 1) for _ in range(count)]


def test_batch_renorm_gives_in_training_what_it_gives_in_evaluation():
    norm = BatchRenorm(2).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for x in batches(30):
        trained = norm.train()(x)
        torch.testing.assert_close(trained, norm.eval()(x))


def test_its_running_moments_become_those_of_all_pixels():
    norm = BatchRenorm(2, momentum=0.0).double()
    seen = batches(1000)
    for x in seen:
        norm(x)
    pixels = torch.cat(seen).numpy()
    np.testing.assert_allclose(norm.running_mean, pixels.mean((0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(norm.running_var, pixels.var((0, 2, 3)), rtol=0.05)


def test_its_first_step_is_that_of_batch_norm():
    x = batches(1)[0].requires_grad_()
    weight = torch.randn_like(x)
    gradients = []
    for norm in (BatchRenorm(2).double(), torch.nn.BatchNorm2d(2).double()):
        x.grad = None
        (norm(x) * weight).sum().backward()
        gradients.append(x.grad.clone())
    torch.testing.assert_close(*gradients)
