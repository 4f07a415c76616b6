"""A made-up download: its content, the entry that describes it, and what a cache holds."""

import hashlib

import numpy as np

from harness.fetching.source import ExternalFile

DATA = np.random.default_rng(0).bytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
QUICK = 0.001
"""Seconds between two attempts."""


def source(url, **changes):
    return ExternalFile(**{"name": "file.zip", "urls": (url,), "sha256": SHA, **changes})


def held(folder):
    """Return the names of the files below a folder that are not lock files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if not path.name.endswith(".lock"))
