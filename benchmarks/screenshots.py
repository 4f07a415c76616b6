"""Takes the images of the README from the last report: `python -m benchmarks.screenshots`.

Writes `docs/report.png`, the first screen of `results/report/index.html`, and
`docs/tile_viewer.png`, the dialog of one tile. Needs a Chromium, whose path
the environment's `CHROMIUM` may give.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from harness.disk.schema import ROOT

VIEW = {"width": 1280, "height": 960}


def take(page: Page, folder: Path) -> None:
    """Take both images of an open report."""
    page.screenshot(path=folder / "report.png")
    page.locator("#explorer-open").click()
    dialog = page.locator("#tile")
    dialog.wait_for(state="visible")
    # Images beside the page are loaded when the dialog first shows them.
    page.wait_for_function("[...document.querySelectorAll('#tile img')].every(i => i.complete)")
    dialog.screenshot(path=folder / "tile_viewer.png")


def main() -> None:
    """Take the images, and print where they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path("results/report/index.html")
    parser.add_argument("--report", type=Path, default=default, help=f"page; default {default}")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs", help="folder; docs/")
    arguments = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not arguments.report.is_file():
        sys.exit(f"error: {arguments.report} is not there; run `make demo` first")
    if not chromium:
        sys.exit("error: no Chromium was found; install it, or set CHROMIUM to its path")
    arguments.output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=VIEW)
        page.goto(arguments.report.resolve().as_uri())
        take(page, arguments.output)
        browser.close()
    print(f"{arguments.output / 'report.png'}\n{arguments.output / 'tile_viewer.png'}")


if __name__ == "__main__":
    main()
