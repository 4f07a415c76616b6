"""Settings of every test."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors gain nothing from more threads, and lose much on a busy machine."""
    torch.set_num_threads(1)
