"""Row ids and batch names: which are valid, which are the same, and those made from file names."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.artifacts.temporary import link_path, part_path, temporary_path
from jobs.domain.names import (
    MAX_ID,
    MAX_ID_BYTES,
    MAX_NAME_BYTES,
    fold,
    id_fault,
    name_fault,
    safe_name,
)
from jobs.domain.spec import FORMATS, MAX_SEED, stem


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    "name",
    ["a", "7", "_x", "walk-01", "v1.2", "A..b", "x" * 100, "console", "甲", "walk_ü",
     "Шаги", "走路", "خطوة", "चलना", "일", "ａ", "x²", "甲" * 42, "caf\u00e9"],
)  # fmt: skip
def test_ids_taken(name: str) -> None:
    assert id_fault(name) is None
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../../x", "a/b", "a\\b", "/etc", "C:x", "-rf", ".hidden", "trailing.",
     "trailing ", " lead", "a b", "CON", "con", "nul.txt", "com1.txt", "LPT9", "Aux.tar.gz",
     "COM¹", "ｃｏｎ", "a\x00", "a\n", "a;b", "$(x)", "a*", "a?", "~", "%41", "甲/乙", "甲\u3000乙",
     "甲／乙", "a\u202eb", "a\u200fb", "a\u200bb", "a\ufeffb", "a\u00adb", "a\u3164b",
     "a\ufe0fb", "\u0301a", "a\u2028b", "a\u0085b", "cafe\u0301", "🕺", "a\ud800b"],
)  # fmt: skip
def test_names_refused(name: str) -> None:
    assert id_fault(name)
    assert name_fault(name)


def test_ids_and_names_have_their_own_limits() -> None:
    assert id_fault("x" * 101) == "is 101 characters long"
    assert id_fault("甲" * 43) == "is 129 bytes long"
    assert name_fault("x" * 180) is None
    assert name_fault("甲" * 61) == "is 183 bytes long"


def test_every_file_of_the_longest_id_can_be_made(tmp_path: Path) -> None:
    marks = "𠀀" * (MAX_ID_BYTES // 4)
    for longest in (marks, "x" * MAX_ID):
        assert id_fault(longest) is None
        for name in FORMATS:
            final = tmp_path / f"{stem(longest, MAX_SEED)}.{name}"
            for path in (final, part_path(final, 1000), temporary_path(final), link_path(final)):
                path.touch()
                # A host name has at most 64 bytes, a process id 7 digits.
                assert len(path.name.encode()) <= 255 - 64


def test_a_batch_of_the_longest_name_can_be_made(tmp_path: Path) -> None:
    (tmp_path / ("甲" * (MAX_NAME_BYTES // 3)) / "export").mkdir(parents=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Walk", "wALK"), ("caf\u00e9", "CAFE\u0301"), ("Шаги", "шаги"), ("straße", "STRASSE"),
     ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("\u212b", "å")],
)  # fmt: skip
def test_names_that_a_file_system_may_take_for_one_are_folded(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text(max_size=20))
def test_folding_forgets_the_normal_form_and_folds_once(text: str) -> None:
    forms = {fold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert forms == {fold(text)}
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_ascii_is_folded_as_by_the_migration(text: str) -> None:
    assert fold(text) == text.lower()


@pytest.mark.parametrize(
    ("name_of_file", "name"),
    [("prompts", "prompts"), ("my prompts (2)", "my-prompts-2"), (".hidden", "hidden"),
     ("-x", "x"), ("con", "batch-con"), ("a.", "a"), ("x" * 100, "x" * 100),
     ("été", "été"), ("走る", "走る"), ("Шаги 1", "Шаги-1"), ("e\u0301te\u0301", "été"),
     ("走路（1）", "走路-1"), ("خطوة", "خطوة"), ("चलना", "चलना"), ("\u202ewalk", "walk"),
     ("con." + "x" * 200, f"batch-con.{'x' * 161}-9fe715bf")],
)  # fmt: skip
def test_default_batch_names(name_of_file: str, name: str) -> None:
    assert safe_name(name_of_file) == name


def test_what_is_cut_or_lost_is_told_apart_by_a_digest() -> None:
    for lost in ("", "..", "🕺", "!!!"):
        assert safe_name(lost) == f"batch-{digest(lost)}"
    for long in ("x" * 300, "走" * 61, "e\u0301" * 100):
        name = safe_name(long)
        assert name.endswith(f"-{digest(unicodedata.normalize('NFC', long))}")
        assert MAX_NAME_BYTES - 4 < len(name.encode()) <= MAX_NAME_BYTES


@given(st.text(max_size=200))
def test_a_default_batch_name_is_always_valid(name_of_file: str) -> None:
    assert name_fault(safe_name(name_of_file)) is None
