"""When everything is wrong at once, every subject has a finding, and no finding names every subject."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.load import load, load_estate
from reconciler.model.words import few
from reconciler.rules.estate import check
from tests.estates import write_estate, write_trader


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=3), max_size=9), st.integers(1, 4))
def test_a_few_names_stand_for_all_and_the_count_is_right(names: list[str], shown: int) -> None:
    words, _, more = few(names, len(names), shown).partition(" and ")
    assert words.split(", ") == (names[:shown] or [""])
    assert more == (f"{len(names) - shown} more" if len(names) > shown else "")


def test_a_short_code_that_everybody_shares_is_everybodys_fault_in_short_words(tmp_path: Path) -> None:
    here = load_estate(write_estate(tmp_path, 0))
    for index in range(40):
        path = write_trader(tmp_path, index, new_key=False)
        path.write_text(path.read_text().replace(f"shortCode: {1_000_000 + index}", "shortCode: 7"))
    found = [f for f in check(load(here), here, date(2026, 1, 5)) if f.code == "R02"]
    assert len({f.subject for f in found}) == 40
    assert found[0].message == (
        "its MiFID short code is also that of trader/t00001, trader/t00002, trader/t00003 and 36 more"
    )
