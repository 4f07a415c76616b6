"""`python -m metrics` from folder to table, and what it refuses."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import stats

from metrics import score
from metrics.cli import main
from metrics.images import luma, read_grey
from metrics.intervals import student_t, summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folders(tmp_path):
    """Lay out three folders of five 64×50 PNG images; give their paths by role."""
    rng = np.random.default_rng(2)
    paths = {role: tmp_path / role for role in ("infrared", "visible", "mine")}
    for path in paths.values():
        path.mkdir()
        for index in range(5):
            steps = rng.normal(0, 9, (64, 50)).cumsum(axis=1) + 128
            Image.fromarray(np.clip(steps, 0, 255).astype(np.uint8)).save(path / f"{index}.png")
    return paths


def run(folders, output, *more):
    return main(
        [
            "score",
            "--infrared",
            str(folders["infrared"]),
            "--visible",
            str(folders["visible"]),
            "--fused",
            str(folders["mine"]),
            "-o",
            str(output),
            *more,
        ]
    )


def refused(folders, tmp_path, capsys, *more):
    assert run(folders, tmp_path / "scores.csv", *more) == 1
    assert not (tmp_path / "scores.csv").exists()
    return capsys.readouterr().err


def read(path):
    return np.asarray(Image.open(path))[None]


def test_scores_are_those_of_the_function(folders, tmp_path, capsys):
    output = tmp_path / "scores.csv"
    assert run(folders, output, "--threads", "2", "--metrics", "sf", "vif", "en") == 0
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == list("01234")
    triple = [
        np.concatenate([read(folders[role] / f"{index}.png") for index in range(5)])
        for role in ("mine", "infrared", "visible")
    ]
    for name, values in score(*triple, names=("sf", "vif", "en")).items():
        assert [float(row[name]) for row in rows] == values.tolist()
    printed = capsys.readouterr().out
    assert "default definitions, native size" in printed and "mine (5 images)" in printed
    assert list(tmp_path.glob("*.part")) == []


def test_dialect_and_resize_are_named_in_the_output(folders, tmp_path, capsys):
    assert run(folders, tmp_path / "s.csv", "--dialect", "cddfuse", "--resize", "224") == 0
    assert "dialect cddfuse, resized to 224×224 px" in capsys.readouterr().out


def test_several_methods_in_one_run(folders, tmp_path, capsys):
    assert run(folders, tmp_path / "s.csv", "--fused", *map(str, folders.values())) == 1
    assert "already called 'infrared'" in capsys.readouterr().err
    other = tmp_path / "other"
    folders["visible"].rename(other)
    folders["visible"].symlink_to(other)
    assert run(folders, tmp_path / "s.csv", "--fused", str(folders["mine"]), str(other)) == 0
    assert (tmp_path / "s.csv").read_text().count("other,") == 5


def test_undefined_values_are_counted(folders, tmp_path, capsys):
    (folders["mine"] / "3.png").write_bytes((folders["visible"] / "3.png").read_bytes())
    assert run(folders, tmp_path / "s.csv") == 0
    assert "undefined for 1 of 5, left out" in capsys.readouterr().out
    assert "3,nan" not in (tmp_path / "s.csv").read_text().split("scd")[0]


def test_summary_words():
    assert summary(np.array([np.nan, np.nan])).endswith("undefined for 2 of 2, left out")
    assert "±" not in summary(np.array([1.5]))
    assert summary(np.array([1.0, 2.0, 3.0])).split() == ["2", "±", "2.5"]
    assert summary(np.array([np.inf, 30.0, 31.0])).split() == ["inf"]


def test_missing_partner_is_named(folders, tmp_path, capsys):
    (folders["visible"] / "2.png").unlink()
    message = refused(folders, tmp_path, capsys)
    assert "2.png: no visible image of that name in" in message


def test_size_mismatch_is_named(folders, tmp_path, capsys):
    Image.fromarray(np.zeros((64, 51), np.uint8)).save(folders["mine"] / "4.png")
    message = refused(folders, tmp_path, capsys)
    assert "mine/4.png: 51×64 px, but" in message and "infrared/4.png has 50×64 px" in message


def test_too_small_image_is_named(folders, tmp_path, capsys):
    for folder in folders.values():
        Image.fromarray(np.zeros((64, 40), np.uint8)).save(folder / "1.png")
    assert "1.png: vif needs images of at least 41×41 px" in refused(folders, tmp_path, capsys)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((64, 50), 300, np.uint16), "16-bit PNG"),
        (np.full((64, 50, 4), 99, np.uint8), "transparent pixels"),
    ],
    ids=["16-bit", "transparent"],
)
def test_unsuitable_images_are_named(folders, tmp_path, capsys, image, reason):
    Image.fromarray(image).save(folders["infrared"] / "0.png")
    message = refused(folders, tmp_path, capsys)
    assert "infrared/0.png" in message and reason in message


def test_deep_colours_in_a_tiff_are_named(folders, tmp_path, capsys):
    """Pillow opens them as if they had 8 bits."""
    (folders["infrared"] / "0.png").unlink()
    deep = np.full((64, 50, 3), 300, np.uint16)
    tifffile.imwrite(folders["infrared"] / "0.tif", deep, photometric="rgb")
    assert "infrared/0.tif: 16-bit TIFF" in refused(folders, tmp_path, capsys)


def test_broken_file_is_named(folders, tmp_path, capsys):
    (folders["visible"] / "0.png").write_bytes(b"no image")
    assert "visible/0.png: not a readable image" in refused(folders, tmp_path, capsys)


def test_empty_and_missing_folders_are_named(folders, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "empty: the infrared folder holds no image" in refused(
        folders | {"infrared": tmp_path / "empty"}, tmp_path, capsys
    )
    assert "nowhere: the visible folder does not exist" in refused(
        folders | {"visible": tmp_path / "nowhere"}, tmp_path, capsys
    )
    assert "0.png: the infrared folder is a file" in refused(
        folders | {"infrared": folders["infrared"] / "0.png"}, tmp_path, capsys
    )


def test_two_files_of_one_name_are_refused(folders, tmp_path, capsys):
    (folders["mine"] / "0.bmp").write_bytes(b"")
    assert "has the same name; keep one" in refused(folders, tmp_path, capsys)


def test_colour_palette_and_opaque_alpha_become_luma(folders, tmp_path):
    rng = np.random.default_rng(4)
    colour = Image.fromarray(rng.integers(0, 256, (64, 50, 3), dtype=np.uint8))
    grey = luma(np.moveaxis(np.asarray(colour), 2, 0))
    opaque = colour.copy()
    opaque.putalpha(255)
    colour.save(folders["visible"] / "0.png")
    opaque.save(folders["visible"] / "1.png")
    palette = colour.convert("P")
    palette.save(folders["visible"] / "2.png")
    np.testing.assert_array_equal(read_grey(folders["visible"] / "0.png"), grey)
    np.testing.assert_array_equal(read_grey(folders["visible"] / "1.png"), grey)
    expected = luma(np.moveaxis(np.asarray(palette.convert("RGB")), 2, 0))
    np.testing.assert_array_equal(read_grey(folders["visible"] / "2.png"), expected)


def test_output_folder_must_exist(folders, tmp_path, capsys):
    assert run(folders, tmp_path / "no" / "scores.csv") == 1
    assert "create it first" in capsys.readouterr().err


def test_useless_output_is_refused_before_measuring(folders, tmp_path, capsys):
    (folders["visible"] / "0.png").write_bytes(b"no image")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert run(folders, folder) == 1
    assert f"{folder}: is a folder or a device" in capsys.readouterr().err
    assert run(folders, tmp_path / "no" / "scores.csv") == 1
    assert "create it first" in capsys.readouterr().err
    assert run(folders, tmp_path / f"{'long' * 99}.csv") == 1
    assert "File name too long" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["scores.png", "scores", "scores.csv.txt"])
def test_output_that_is_not_named_csv_is_refused(folders, tmp_path, capsys, name):
    image = (folders["visible"] / "0.png").read_bytes()
    (tmp_path / name).write_bytes(image)
    assert run(folders, tmp_path / name) == 1
    assert "expected '.csv'" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == image


@pytest.mark.parametrize("role", ["infrared", "visible", "mine"])
@pytest.mark.parametrize("link", ["symlink", "hardlink", "detour"])
def test_output_that_is_an_input_is_refused(folders, tmp_path, capsys, role, link):
    image = folders[role] / "3.png"
    before = image.read_bytes()
    output = tmp_path / "scores.CSV"
    if link == "symlink":
        output.symlink_to(image)
    elif link == "hardlink":
        output.hardlink_to(image)
    else:
        output.symlink_to(folders[role] / ".." / role / "3.png")
        output = tmp_path / role / ".." / "scores.CSV"
    assert run(folders, output) == 1
    assert f"is the image {image}, which is read" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_wrong_command_line_is_another_status_than_a_failed_run(capsys):
    for words in ([], ["scoer"], ["score"], ["explain"]):
        with pytest.raises(SystemExit) as error:
            main(words)
        assert error.value.code == 2


TIMED_HELP = """
import time
from metrics.cli import main
try:
    main(["--help"])
except SystemExit:
    print(time.process_time())
"""


def test_help_costs_little():
    help_run = subprocess.run(
        [sys.executable, "-c", TIMED_HELP], capture_output=True, check=True, text=True
    )
    assert float(help_run.stdout.splitlines()[-1]) < 0.5


def test_disk_that_refuses_the_table_is_named(folders, tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    message = refused(folders, tmp_path, capsys)
    assert "scores.csv: cannot be written (No space left on device)" in message
    assert {path.name for path in tmp_path.iterdir()} == set(folders)


def test_table_is_as_readable_as_any_file(folders, tmp_path):
    assert run(folders, tmp_path / "scores.csv") == 0
    (tmp_path / "other").write_bytes(b"")
    modes = {(tmp_path / name).stat().st_mode for name in ("scores.csv", "other")}
    assert len(modes) == 1


def test_name_that_is_no_text_is_measured(folders, tmp_path):
    for folder in folders.values():
        (folder / "0.png").rename(folder / os.fsdecode(b"gr\xfcn.png"))
    assert run(folders, tmp_path / "s.csv", "--metrics", "sf") == 0
    assert "gr\\udcfcn," in (tmp_path / "s.csv").read_text(encoding="utf-8")


def test_explain_prints_definition_range_and_sources(capsys):
    assert main(["explain", "vif"]) == 0
    text = capsys.readouterr().out
    assert all(
        word in text for word in ("Sheikh", "[0, inf]", "CDDFuse VIFF", "flat", "cddfuse", "41×41")
    )
    assert main(["explain", "viv"]) == 1
    assert "did you mean vif" in capsys.readouterr().err


def test_a_reader_that_stops_early_is_no_error():
    command = [sys.executable, "-m", "metrics", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 0


def test_list_names_metrics_and_dialects(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("ms_ssim", "scd_uint8", "linfeng_tang"))


def test_help_names_the_program_as_it_was_called(tmp_path):
    script = tmp_path / "segfanet-bench"
    script.write_text("from harness.__main__ import program\nprogram()\n", encoding="utf-8")
    for words, program in (
        (["-m", "metrics"], "python -m metrics"),
        (["-m", "harness"], "python -m harness"),
        ([str(script)], "segfanet-bench"),
    ):
        usage = subprocess.run(
            [sys.executable, *words, "score", "--help"],
            env={**os.environ, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
        ).stdout
        assert usage.startswith(f"usage: {program} score ")


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 20, 99, 1000, 1001, 40000])
def test_intervals_are_students(degrees):
    assert student_t(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-10)


def test_verify_names_what_is_missing(folders, tmp_path, capsys):
    (tmp_path / "carLight_GTF.png").write_bytes((folders["mine"] / "0.png").read_bytes())
    for folder, problem in (
        (folders["mine"], "no fused image of a published method"),
        (tmp_path, "found no infrared image IR/carLight"),
        (tmp_path / "nowhere", "is not a folder"),
    ):
        assert main(["verify", "vifb", "--images", str(folder)]) == 1
        assert problem in capsys.readouterr().err


def test_dialect_measures_all_that_it_has_per_channel(folders, tmp_path):
    rng = np.random.default_rng(6)
    for role in ("visible", "mine"):
        for path in folders[role].iterdir():
            Image.fromarray(rng.integers(0, 256, (64, 50, 3), dtype=np.uint8)).save(path)
    assert run(folders, tmp_path / "s.csv", "--dialect", "vifb") == 0
    with (tmp_path / "s.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    names = ["sf", "ag", "en", "sd", "mi", "psnr", "rmse", "ssim", "ei", "ce", "qabf", "qcb", "qcv"]
    assert list(row) == ["method", "image", *names]
    fused, infrared, visible = (
        np.asarray(Image.open(folders[role] / "0.png").convert("RGB")).transpose(2, 0, 1)
        for role in ("mine", "infrared", "visible")
    )
    values = score(fused, infrared, visible, dialect="vifb")
    for name in names[1:]:
        assert float(row[name]) == pytest.approx(values[name].mean(), rel=1e-12), name
    sheet = np.hstack(fused.astype(float))
    squares = sum((np.diff(sheet, axis=axis) ** 2).sum() for axis in (0, 1))
    assert float(row["sf"]) == pytest.approx(np.sqrt(squares / sheet.size))


UNCACHED = """
import sys, numpy as np
from metrics import score
image = np.random.default_rng(0).integers(0, 256, (3, 1, 30, 31), dtype=np.uint8)
print(*score(*image, names=("sf", "ag"), compiled=True).values())
"""


@pytest.mark.parametrize("temporary", [True, False], ids=["temporary", "nowhere"])
def test_nothing_can_be_cached(tmp_path, temporary):
    """A file where the folder of the cache would be stands for a read-only checkout."""
    copy = tmp_path / "copy"
    shutil.copytree(
        ROOT / "metrics", copy / "metrics", ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "metrics/fast/__pycache__").write_text("", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    variables = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "PYTHONPATH": str(copy)}
    kept = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    code = UNCACHED
    if not temporary:
        code = "import tempfile\ntempfile.tempdir = '/dev/null/none'\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **variables, "TMPDIR": str(tmp_path / "tmp")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and len(done.stdout.split()) == 2, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("metrics: found n") and "NUMBA_CACHE_DIR" in warning
    assert not list((tmp_path / "tmp").iterdir())
