"""No raster leads GDAL to another file, another format or the network, whatever it says."""

import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio

from harness.errors import HarnessError
from harness.scenes.raster import Member, Raster, files_below, read_header

PIXELS = np.random.default_rng(3).integers(0, 256, (1, 128, 128), np.uint8)
VRT = """<VRTDataset rasterXSize="128" rasterYSize="128"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""
AUX = """<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata>
</PAMDataset>"""


@contextmanager
def server():
    """Run a server that notes what is asked for; give its address and the list."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/x.tif", asked
    finally:
        running.shutdown()
        running.server_close()


def hostile(folder, what, target):
    """Write a TIFF that names `target` in one way."""
    path = folder / "image.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=128, width=128, count=1, dtype="uint8", tiled=True,
        blockxsize=16, blockysize=16,
    ) as file:  # fmt: skip
        file.write(PIXELS)
        if what == "tag":
            file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=target)
    if what == "aux":
        Path(f"{path}.aux.xml").write_text(AUX.format(target))
    if what in ("ovr", "msk"):
        Path(f"{path}.{what}").write_text(VRT.format(target))
    return path


@pytest.mark.parametrize("what", ["tag", "aux", "ovr", "msk"])
@pytest.mark.parametrize("scheme", ["/vsicurl/", "", "/vsis3/", "file"])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_an_image_names_is_not_read(tmp_path, what, scheme):
    other = tmp_path / "other.tif"
    other.write_bytes(hostile(tmp_path, "none", "").read_bytes())
    with server() as (url, asked):
        path = hostile(tmp_path, what, str(other) if scheme == "file" else f"{scheme}{url}")
        member = Member(path.name, path)
        assert read_header(member).bands == 1
        with closing(Raster(member)) as raster:
            np.testing.assert_array_equal(raster.read(0, 0, 128, 128, [0]), PIXELS)
            assert raster.read(0, 0, 128, 128, [0], (32, 32)).shape == (1, 32, 32)
        assert asked == []


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "A.TIF"])
def test_a_virtual_raster_under_the_name_of_a_tiff_is_refused(tmp_path, name):
    with server() as (url, asked):
        (tmp_path / name).write_text(VRT.format(f"/vsicurl/{url}"))
        (member,) = files_below(tmp_path)
        with pytest.raises(HarnessError, match=rf"{name}: not a readable image"):
            read_header(member)
        assert asked == []
