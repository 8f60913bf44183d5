"""The strict YAML 1.2 reader, held against ruamel's pure YAML 1.2 and against hostile files."""

from __future__ import annotations

import math
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.yaml12 import MAX_BYTES, MAX_DEPTH, MAX_EXPANDED, MAX_FAULTS, Document, Fault, read

PRINTABLE = st.characters(
    codec="utf-8", exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufeff\ufffe\uffff\u2028\u2029\x85"
)
# libyaml takes `?` and `:` for signs within [] and {} even without a blank after them, as YAML 1.1 did.
TEXT = st.text(PRINTABLE, max_size=20).filter(lambda text: not text.startswith(("?", ":")))
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | TEXT
    | st.sampled_from(["NO", "22:00", "1e10", "12_34", "0x1F", "~", "null", "yes", "<<", "=", "2024-02-01", ""])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


def one(text: str) -> Document:
    reading = read(text.encode())
    assert reading.faults == ()
    (document,) = reading.documents
    return document


def value(text: str) -> Any:
    document = one(text)
    assert document.faults == ()
    return document.value


def faults(text: str) -> list[str]:
    return [fault.message for fault in one(text).faults]


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_whatever_ruamel_writes_is_read_as_ruamel_reads_it(wanted: Any) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.width = 10**6  # it folds long keys of flow mappings, which YAML allows nobody (1.2, 7.4: one line)
    out = StringIO()
    yaml.dump({"value": wanted}, out)
    assert value(out.getvalue()) == YAML(typ="safe", pure=True).load(out.getvalue()) == {"value": wanted}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("NO", "NO"), ("no", "no"), ("on", "on"), ("y", "y"), ("22:00", "22:00"), ("12_34", "12_34"),
        ("2024-02-01", "2024-02-01"), ("0b1", "0b1"), ("=", "="), ("'1'", "1"), ('"true"', "true"), ("''", ""),
        ("!!str 1", "1"), ("~", None), ("null", None), ("NULL", None), ("nULL", "nULL"), ("true", True),
        ("False", False), ("tRUE", "tRUE"), ("7", 7), ("007", 7), ("-1", -1), ("+1", 1), ("0x1F", 31),
        ("0o17", 15), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-.inf", -math.inf), (".INF", math.inf),
        ("-0x1", "-0x1"), (".", "."), ("+", "+"), ("1.2.3", "1.2.3"), ("inf", "inf"), ("1e", "1e"), ("0x", "0x"),
    ],
)  # fmt: skip
def test_a_scalar_means_what_yaml_1_2_says(text: str, wanted: Any) -> None:
    (found,) = value(f"[{text}]")
    assert found == wanted
    assert type(found) is type(wanted)


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(value("[.nan]")[0])


def test_a_duplicate_key_is_an_error_that_names_both_places() -> None:
    document = one("a: 1\nb: 2\na: 3\n")
    assert document.faults == (Fault("`a` stands here twice, first in line 1", 3, 1),)


def test_every_fault_of_a_document_is_found_in_one_reading() -> None:
    text = "a: 1\na: 2\n1: x\n<<: {b: 1}\nc: !!binary aGk=\nd: !thing {}\n[x]: 1\ne: *nowhere\nlast: ok\n"
    document = one(text)
    assert [f.line for f in document.faults] == [2, 3, 4, 5, 6, 7, 8]
    assert document.value["last"] == "ok"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("1: x", "key must be text"),
        ("null: x", "key must be text"),
        ("{perOrder: 4,000,000}", "a number has no commas"),
        ("true: x", "key must be text"),
        ("? [a]\n: x", "key must be text"),
        ("{? {a: b} : x}", "key must be text"),
        ("<<: {a: 1}", "merge keys"),
        ("a: !!python/object:os.system x", "tags are not read"),
        ("!!set {a: }", "tags are not read"),
        ("a: !!int '3'", "tags are not read"),
        ("%YAML 1.1\n---\na: NO", "only 1.2 is read"),
        ("a: " + "9" * 41, "more than 40 digits"),
        ("a: &x [*x]", "stands before"),
    ],
)
def test_what_yaml_allows_and_manifests_do_not_is_refused_in_words(text: str, word: str) -> None:
    assert any(word in message for message in faults(text))


def test_a_quoted_merge_key_is_text_like_any_other() -> None:
    assert value('"<<": 1') == {"<<": 1}


def test_line_and_column_of_every_key_and_value_can_be_asked_for() -> None:
    document = one("a:\n  b: [1, {c: 2}]\n  'd': x\n")
    assert document.key_at(("a", "b")) == (2, 3)
    assert document.value_at(("a", "b")) == (2, 6)
    assert document.value_at(("a", "b", 0)) == (2, 7)
    assert document.key_at(("a", "b", 1, "c")) == (2, 11)
    assert document.value_at(("a", "b", 1, "c")) == (2, 14)
    assert document.value_at(("a", "d")) == (3, 8)
    assert document.value_at(("a", "missing", "x")) == document.value_at(("a",)) == (2, 3)
    assert document.value_at(()) == (1, 1)


def test_columns_count_characters_and_not_bytes() -> None:
    assert one("é: {ü: ö}").value_at(("é", "ü")) == (1, 8)


def test_a_file_may_hold_several_documents_each_with_its_place() -> None:
    reading = read(b"---\na: 1\n---\na: 2\n...\n")
    assert [(d.value, d.line) for d in reading.documents] == [({"a": 1}, 2), ({"a": 2}, 4)]


def test_documents_before_a_syntax_error_are_kept() -> None:
    reading = read(b"a: 1\n---\nb: [\n")
    assert [d.value for d in reading.documents] == [{"a": 1}]
    (fault,) = reading.faults
    assert "not YAML" in fault.message
    assert fault.line == 4


@pytest.mark.parametrize(
    "broken", ["b: [1\nc: }", "b: 'x\n", '"', "b: c: d", "[" * 50, "--- [", "%FOO\n%YAML 9.9\nb", "@"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_a_document_that_breaks_off_hides_none_after_it(broken: str, end: str) -> None:
    text = f"a: 1\n---\n{broken}\n---\nc: 3\n--- {{d: 4}}\n".replace("\n", end)
    reading = read(text.encode())
    assert len(reading.faults) == 1
    whole = [d for d in reading.documents if isinstance(d.value, dict)]
    assert [d.value for d in whole] == [{"a": 1}, {"c": 3}, {"d": 4}]
    assert whole[1].line == 1 + text[: text.index("c: 3")].count(end)


def test_a_file_of_broken_documents_is_read_only_so_far() -> None:
    assert len(read(b"[\n---\n" * 1000).faults) == MAX_FAULTS


@pytest.mark.parametrize(
    "text", ["a: |\n  ---\n  b", "a: '\n ---'\n", "a: 1\n# ---\n", "a: 1\n---b: 2\n", "a: [\n"]
)
def test_only_a_marker_at_the_beginning_of_a_line_begins_a_document(text: str) -> None:
    assert len(read(text.encode()).documents) <= 1


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "[{" * 50_000])
def test_a_hundred_thousand_nested_collections_are_refused_and_not_followed(text: str) -> None:
    (fault,) = read(text.encode()).faults
    assert f"more than {MAX_DEPTH} deep" in fault.message


def test_nesting_up_to_the_limit_is_read() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (fault,) = read("\n".join(lines).encode()).faults
    assert f"more than {MAX_EXPANDED:,} values" in fault.message


def test_a_bomb_of_mappings_is_refused_too() -> None:
    lines = ["a0: &a0 {a: x, b: x, c: x, d: x}"]
    lines += [f"a{n}: &a{n} {{{', '.join(f'{k}: *a{n - 1}' for k in 'abcd')}}}" for n in range(1, 12)]
    assert len(read("\n".join(lines).encode()).faults) == 1


def test_an_alias_stands_for_what_it_names_within_its_document_only() -> None:
    assert value("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}
    reading = read(b"a: &x 1\n---\nb: *x\n")
    assert reading.documents[1].faults


@pytest.mark.parametrize(
    ("data", "word", "place"),
    [
        (b"a: \xff", "not UTF-8", (1, 4)),
        ("a: é\nb: ".encode() + b"\xc3(", "not UTF-8", (2, 4)),
        (b"a: x\x00", "U+0000", (1, 5)),
        (b"a: 1\nb: \x1b[31m", "U+001B", (2, 4)),
        (b"\xef\xbb\xbfa: 1", "U+FEFF", (1, 1)),
        ("a: 1".encode("utf-16"), "not UTF-8", (1, 1)),
        (b"a: '\xef\xbf\xbf'", "U+FFFF", (1, 5)),
        (b"x" * (MAX_BYTES + 1), "larger than", (1, 1)),
        (b"a: b: c", "not YAML", (1, 5)),
        (b"a: @x", "not YAML", (1, 4)),
        (b"\ta: 1", "not YAML", (1, 1)),
    ],
)
def test_a_file_that_is_no_text_or_no_yaml_is_a_fault_at_its_place(
    data: bytes, word: str, place: tuple[int, int]
) -> None:
    (fault,) = read(data).faults
    assert word in fault.message
    assert (fault.line, fault.column) == place


@given(
    st.binary(max_size=200)
    | st.text(PRINTABLE | st.sampled_from("[]{}:,-?&*!|>'\"%@`#\n \t"), max_size=80).map(str.encode)
)
@settings(max_examples=500, deadline=None)
def test_no_file_whatever_makes_the_reader_raise(data: bytes) -> None:
    reading = read(data)
    for document in reading.documents:
        assert document.line >= 1
        document.value_at(("a", 0))


def test_an_empty_file_has_no_documents() -> None:
    assert read(b"").documents == read(b"# only a comment\n").documents == ()
