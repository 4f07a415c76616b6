"""Samples of published sets that are at hand, beside the repository."""

from harness.fetching.checksums import file_hashes
from harness.scenes.adapters import find_adapter
from tests.helpers.shared_data import SHARED, need

SETS = {
    "cwfid": "cwfid",
    "llvip_sample": "llvip_sample",
    "m3fd_sample": "m3fd_sample",
    "mfnet_tiles": "freefusion_tiles",
    "msrs": "msrs361",
    "roadscene221": "roadscene50",
    "roadscene50": "roadscene50",
    "tno25": "tno25",
    "tno42": "tno25",
    "vifb21": "vifb21",
}
"""Data set → folder of its samples; those of a larger set lie among those of the smaller one."""


def sample_files(name):
    """Return git blob → file of the samples of a set; skip the test if they are not at hand."""
    samples = need(SHARED / "datasets" / "samples" / SETS[name])
    files = [path for path in samples.rglob("*") if path.is_file()]
    return {file_hashes(path, ["git_blob"])["git_blob"]: path for path in files}


def sample_pairs(name, limit=3):
    """Return some pairs of a set whose files are all among the samples."""
    blobs, pairs = sample_files(name), find_adapter(name).pairs
    here = [n for n, rows in pairs.items() if all(r["git_blob"] in blobs for r in rows.values())]
    return here[:limit]
