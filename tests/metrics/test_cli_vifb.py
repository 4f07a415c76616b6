"""`python -m metrics verify vifb`: the published values of VIFB, to every printed digit."""

import pytest
from PIL import Image

from metrics.cli import main
from tests.helpers.shared_data import SHARED

SAMPLES = SHARED / "datasets/samples/vifb21"
needs_vifb = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"no images of VIFB in {SAMPLES}; set SEGFANET_SHARED"
)


def vifb_folder(folder, pairs, methods):
    """Link the images of some pairs and methods as the repository of VIFB lays them out."""
    for path in SAMPLES.rglob("*.jpg"):
        pair, _, method = path.stem.partition("_")
        if pair in pairs and (not method or method in methods):
            link = folder / path.relative_to(SAMPLES)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@needs_vifb
@pytest.mark.parametrize(
    ("pairs", "methods"),
    [
        pytest.param(["manWalking", "fight"], ["GTF", "U2Fusion", "YDTR"], id="some"),
        pytest.param(
            [path.stem for path in (SAMPLES / "input/IR").glob("*.jpg")],
            ["GTF", "IFCNN", "LatLRR", "SeAFusion", "U2Fusion", "YDTR"],
            id="all",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_published_values_agree_in_all_digits(tmp_path, capsys, pairs, methods):
    folder = vifb_folder(tmp_path, pairs, methods)
    assert main(["verify", "vifb", "--images", str(folder), "--threads", "2"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[1:]}
    assert set(rows) == set(methods)
    for method, (_, equal, _, total, largest, *_) in rows.items():
        assert int(total) == 13 * len(pairs)
        # The images of YDTR in the repository are not those that were measured.
        assert float(largest) < 0.061 if method == "YDTR" else equal == total


@needs_vifb
def test_changed_images_do_not_agree(tmp_path, capsys):
    folder = vifb_folder(tmp_path, ["manWalking"], ["GTF"])
    fused = folder / "output/fused_images/manWalking_GTF.jpg"
    darker = Image.open(fused).point(lambda level: level * 0.9)
    fused.unlink()
    darker.save(fused, quality=95)
    assert main(["verify", "vifb", "--images", str(folder)]) == 1
    assert "other values than published for GTF" in capsys.readouterr().err
