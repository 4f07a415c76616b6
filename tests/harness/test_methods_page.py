"""The page of methods is generated, complete and current."""

import re

from harness.commands.method_page import PAGE, page
from harness.methods.spec import discover

BASELINES = [spec for spec in discover().values() if spec.kind == "baseline"]


def test_it_is_that_of_the_folders():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make schemas`"


def test_every_baseline_states_where_it_comes_from_and_how_well_it_was_checked():
    for spec in BASELINES:
        assert spec.year, spec.name
        assert spec.doi, spec.name
        assert spec.licence, spec.name
        assert spec.parity, spec.name


def test_every_weight_file_can_be_found_and_verified_by_a_reader():
    text = PAGE.read_text(encoding="utf-8")
    for spec in BASELINES:
        for entry in spec.weight_files.values():
            for key in ("url", "sha256", "git_blob"):
                assert entry.get(key, "") in text, (spec.name, key)
            if "trained_on" in entry:
                families = {
                    *entry["trained_on"].get("certain", ()),
                    *entry["trained_on"].get("possible", ()),
                }
                assert all(family in text for family in families)


def test_links_of_the_table_have_their_sections():
    text = PAGE.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(#([^)]+)\)", text)
    headings = [title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", text, re.M)]
    assert targets == headings
    assert len(targets) == len(BASELINES)
