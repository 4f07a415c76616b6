"""SegFANet (Qiu, Zhao, Wang 2025): fusion helped by aligned segmentation features."""
