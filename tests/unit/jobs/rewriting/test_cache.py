"""Cached answers: their key, concurrent submits, and damaged files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.rewriting.answer import Answer
from jobs.rewriting.cache import NAME, AnswerCache
from jobs.rewriting.wish import Wish

URL = "http://127.0.0.1:8000/v1"
WALKS = Answer(text="A person walks.")


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Callable[..., AnswerCache]]:
    made: list[AnswerCache] = []

    def make(url: str = URL, model: str = "m", wish: Wish | None = None) -> AnswerCache:
        wish = wish or Wish(text=True)
        cache = AnswerCache(tmp_path / "rewrites", url=url, model=model, wish=wish)
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.close()


def test_an_answer_is_there_for_the_next_submit(open_cache) -> None:
    first = open_cache()
    assert first.get("walks") is None
    assert first.put("walks", WALKS) == WALKS
    first.close()
    assert open_cache(url=f"{URL}/").get("walks") == WALKS


def test_another_service_model_wish_or_prompt_has_another_answer(open_cache) -> None:
    open_cache().put("walks", WALKS)
    assert open_cache(url="http://other/v1").get("walks") is None
    assert open_cache(model="n").get("walks") is None
    assert open_cache(wish=Wish(text=True, seconds=True)).get("walks") is None
    assert open_cache().get("walks ") is None


def test_two_submits_go_on_with_the_same_answer(open_cache) -> None:
    mine, theirs = open_cache(), open_cache()
    assert mine.put("walks", WALKS) == WALKS
    assert theirs.put("walks", Answer(text="Somebody walks.")) == WALKS


def test_what_another_submit_wrote_between_a_look_and_a_write_is_kept(open_cache) -> None:
    mine, theirs = open_cache(), open_cache()
    read = mine._read
    looks = 0

    def reading(key: str) -> str | None:
        nonlocal looks
        found = read(key)
        looks += 1
        if looks == 1:
            theirs.put("walks", Answer(text="Somebody walks."))
        return found

    mine._read = reading
    assert mine.put("walks", WALKS) == Answer(text="Somebody walks.")
    assert theirs.get("walks") == Answer(text="Somebody walks.")


def test_a_damaged_entry_is_made_again(open_cache, tmp_path: Path) -> None:
    cache = open_cache()
    for broken in ("{", "[]", '{"prompt": 7}', '{"prompt": "two\\nlines"}'):
        cache.put("walks", WALKS)
        with sqlite3.connect(tmp_path / "rewrites" / NAME) as connection:
            connection.execute("UPDATE answers_1 SET answer = ?", (broken,))
        connection.close()
        assert cache.get("walks") is None
        assert cache.put("walks", WALKS) == WALKS
        assert open_cache().get("walks") == WALKS
    assert cache.fault is None


def test_a_file_that_is_no_database_costs_no_submit(open_cache, tmp_path: Path) -> None:
    (tmp_path / "rewrites").mkdir()
    (tmp_path / "rewrites" / NAME).write_text("this is no database" * 100)
    cache = open_cache()
    assert "not a database" in cache.fault
    assert cache.put("walks", WALKS) == WALKS
    assert cache.get("walks") == WALKS, "kept until the submit ends"
    assert (tmp_path / "rewrites" / NAME).read_text().startswith("this is"), "nobody's to delete"


def test_a_folder_that_cannot_be_made_costs_no_submit(open_cache, tmp_path: Path) -> None:
    (tmp_path / "rewrites").write_text("a file")
    cache = open_cache()
    assert "rewrites" in cache.fault
    assert cache.put("walks", WALKS) == WALKS
    assert cache.get("walks") == WALKS
    cache.close()
