"""The page in a real browser, opened from a file as readers open it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from reports.page import render
from reports.run import read_report
from tests.helpers.made_up_runs import make_learning, make_run, make_store, method, plan

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
HOSTILE = "<script>alert(1)</script>"
QUOTED = 'it\'s "quoted"'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it, or set CHROMIUM"),
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Write a page of two data sets with hostile names once."""
    results = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(0)
    names = ["segfanet", "ydtr", "itfuse", "broken", "average"]
    for dataset in ("d", "e"):
        make_store(results / dataset / "tiles", name=f"Set {dataset}", scenes=6, prefix=QUOTED)
        for place, row in enumerate(names):
            if row == "broken":
                make_run(results / dataset, row, failure="no <b>luck</b>")
            else:
                make_run(results / dataset, row, rng.uniform(1, 1.5, (6, 4)) + place)
        log = [
            {"step": step, "fusion": 2 / step, "segmentation": 3 / step**0.5, "loss": 4 / step}
            for step in range(1, 100, 9)
        ]
        confusion = [[90, 10], [30, 70]] if dataset == "d" else [[0, 0], [0, 0]]
        kept = {"log": log, "confusion": confusion, "reconstructed": [[0.9, 0.8], [0.7, None]]}
        kept["terms"] = {"eval": {"fusion": 0.3}, "train": {"fusion": 0.2}}
        make_learning(results / dataset, "segfanet", 0.25, 0.2, **kept)
        make_learning(results / dataset, "ydtr", 0.3, 0.2, response=0.001, log=log)
    methods = [
        method("segfanet", "proposed", "SegFANet"),
        method("ydtr", title=HOSTILE),
        method("itfuse"),
        method("broken"),
        method("average", "control"),
    ]
    datasets = [
        {"name": "d", "rows": names, "stands_for": "whu"},
        {"name": "e", "rows": names, "stands_for": "potsdam"},
    ]
    report = read_report(plan(results, methods, names, datasets=datasets))
    path = results / "report" / "index.html"
    path.parent.mkdir()
    path.write_text(render(report, path.parent), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, page_file):
    """The loaded page; any error or request beyond the page's own files fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    problems = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else problems.append(r.url),
    )
    page.on("requestfailed", lambda r: problems.append(f"failed: {r.url[:80]}"))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    assert not problems


def keep(page, name):
    """Store a screenshot in the folder `SCREENSHOTS`, if it is set."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def methods_of(page, table="table1_d"):
    rows = page.locator(f"section[aria-labelledby={table}] tbody.rows").first.locator("tr")
    return [row.get_attribute("data-method") for row in rows.all()]


def test_page_loads_and_hostile_names_are_text(page):
    assert page.locator("h1").text_content() == "Report"
    assert page.get_by_text(HOSTILE).first.is_visible()
    assert page.locator("#thumbnails button").first.text_content().startswith(QUOTED)
    keep(page, "page")


def test_heading_sorts_methods_and_controls_stay_below(page):
    heading = page.locator("section[aria-labelledby=table1_d] th button", has_text="SF")
    heading.click()
    values = methods_of(page)
    assert values[:3] == ["segfanet", "ydtr", "itfuse"]
    heading.click()
    assert methods_of(page)[:3] == ["itfuse", "ydtr", "segfanet"]
    assert "average" not in methods_of(page)
    assert heading.locator("..").get_attribute("aria-sort") == "descending"


def test_filters_hide_data_sets_and_methods_everywhere(page):
    page.locator("input[name=dataset][value=e]").uncheck()
    assert page.locator("#table1_d").is_visible()
    assert not page.locator("#table2_e").is_visible()
    assert page.locator("#explorer-dataset option").count() == 1
    page.locator("input[name=method][value=itfuse]").uncheck()
    row = page.locator("section[aria-labelledby=table1_d] tr[data-method=itfuse]")
    assert not row.is_visible()
    assert "ITFUSE" not in page.locator("#legend").text_content()
    page.locator("input[name=dataset][value=d]").uncheck()
    assert page.locator("#explorer-open").is_disabled()


def test_dialog_compares_methods_with_a_slider(page):
    page.locator("#thumbnails button").nth(1).click()
    dialog = page.locator("#tile")
    assert dialog.is_visible()
    assert QUOTED in page.locator("#tile-title").text_content()
    before = page.locator("#tile-left-layer").evaluate("e => e.style.clipPath")
    page.locator("#tile-slider").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.locator("#tile-left-layer").evaluate("e => e.style.clipPath") != before
    page.locator("#tile-right").select_option("average")
    expected = page.locator("#tile-all button", has_text="AVERAGE").locator("img")
    assert page.locator("#tile-right-image").get_attribute("src") == expected.get_attribute("src")
    heads = page.locator("#tile-head th").all_text_contents()
    assert [text[:3].strip() for text in heads[1:]] == ["SF", "AG", "SCD", "VIF"]
    assert page.locator("#tile-values tr").count() == 4
    page.locator("#tile-colour").check()
    assert page.locator(".layer.coloured").count() == 1
    title = page.locator("#tile-title").text_content()
    page.locator("#tile-next").click()
    assert page.locator("#tile-title").text_content() != title
    keep(page, "dialog")


def test_scatter_point_opens_its_tile(page):
    point = page.locator("#scatter circle").first
    name = point.locator("title").text_content()
    point.dispatch_event("click")
    shown = page.locator("#tile-title").text_content().split("tile ")[1].split(", scene")[0]
    assert shown in name


def test_keyboard_walks_the_scatter_and_opens_a_point(page):
    assert page.locator("#scatter circle[tabindex='0']").count() == 1
    page.locator("#scatter circle[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    points = page.locator("#scatter circle").all()
    places = sorted(points, key=lambda point: float(point.get_attribute("cx")))
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert name == places[1].get_attribute("aria-label")
    page.keyboard.press("Enter")
    shown = page.locator("#tile-title").text_content().split("tile ")[1].split(", scene")[0]
    assert shown in name
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == name


def test_keyboard_alone_reaches_a_tile_and_returns(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#explorer-tile").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "explorer-open"
    page.keyboard.press("Enter")
    assert page.locator("#tile").is_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    assert not page.locator("#tile").is_visible()
    assert page.evaluate("document.activeElement.id") == "explorer-open"


CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex]"


def test_tab_reaches_every_control_that_is_shown(page):
    """What answers a click is a control, or one of several that the arrow keys walk through."""
    wanted = page.evaluate(
        """selector => {
            const shown = [...document.querySelectorAll(selector)].filter(
                e => e.checkVisibility() && !e.disabled);
            window.left = new Set(shown.filter(e => e.tabIndex >= 0));
            return window.left.size;
        }""",
        CONTROLS,
    )
    assert wanted > 20
    for _ in range(wanted):
        page.keyboard.press("Tab")
        page.evaluate("window.left.delete(document.activeElement)")
    assert page.evaluate("[...window.left].map(e => e.outerHTML.slice(0, 200))") == []
    without = page.evaluate(
        """selector => [...document.querySelectorAll("body *")].filter(
            e => getComputedStyle(e).cursor === "pointer" && e.checkVisibility()
                && !e.closest(selector) && !e.closest("label")
        ).map(e => e.outerHTML.slice(0, 200))""",
        CONTROLS,
    )
    assert without == []


def test_dark_mode_is_dark(page):
    page.emulate_media(color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in colour[4:-1].split(",")) < 50
    keep(page, "dark")


def test_narrow_screen_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.locator("#thumbnails button").first.click()
    assert page.locator("#tile").evaluate("e => e.scrollWidth <= e.clientWidth")
    keep(page, "narrow")


def test_print_hides_what_needs_a_pointer(page):
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator("#table1_d").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("dialog", [False, True])
def test_accessibility_has_no_serious_violation(page, scheme, dialog):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    if dialog:
        page.locator("#explorer-open").click()
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (rule["id"], [node["html"][:120] for node in rule["nodes"][:3]])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
    assert not serious


@pytest.mark.parametrize("width", [1400, 390])
def test_the_section_on_learning_fits_every_screen(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    section = page.locator("section[aria-labelledby=learning]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert section.get_by_text("did not learn").count() >= 2
    assert section.get_by_text("No test tile has labels").count() == 1
    assert section.locator("svg").count() == 4
    for picture in section.locator("svg").all():
        frame = picture.bounding_box()
        assert 240 < frame["width"] <= width
        for text in picture.locator("text").all():
            box = text.bounding_box()
            assert box["x"] >= frame["x"] - 1
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    if folder := os.environ.get("SCREENSHOTS"):
        section.screenshot(path=Path(folder) / f"learning_{width}.png")


def test_wide_tables_keep_their_first_column(page):
    page.set_viewport_size({"width": 390, "height": 844})
    table = page.locator("div.scroll[aria-labelledby=table1_d]")
    first = table.locator("tbody.rows th").first
    before = first.bounding_box()["x"]
    table.evaluate("e => { e.scrollLeft = 200; }")
    assert table.evaluate("e => e.scrollLeft") == 200
    assert first.bounding_box()["x"] == before
    keep(page, "sticky")


def test_figures_are_as_wide_as_the_page(page):
    page.set_viewport_size({"width": 1400, "height": 900})
    width = page.locator("main").evaluate("e => e.clientWidth")
    assert page.locator("figure img").first.bounding_box()["width"] > 0.95 * (width - 32)
