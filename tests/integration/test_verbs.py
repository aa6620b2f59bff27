"""The list of verbs in `jobs` is that of the training phrases, and doubts none of these phrases."""

from __future__ import annotations

from importlib.resources import files

import pytest

from hymotion.training.phrases.phrases import SUBJECTS, Phrases, own_texts
from hymotion.training.verbs import main, taught_verbs
from jobs.verbs.matcher import unseen_verbs


@pytest.fixture(scope="module")
def texts() -> Phrases:
    return own_texts()


def test_the_list_is_as_its_command_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    table = files("jobs.verbs").joinpath("tiny.txt").read_text(encoding="utf-8")
    assert capsys.readouterr().out == table


def test_verbs_of_held_out_phrases_alone_are_not_listed(texts: Phrases) -> None:
    held = tuple(each for each in texts.phrases if each.split == "held")
    assert taught_verbs(Phrases(held)) == ()
    some = tuple(each for each in texts.phrases if each.action != "crawl")
    assert "crawls" in taught_verbs(texts)
    assert "crawls" not in taught_verbs(Phrases(some))


@pytest.mark.parametrize("form", ["third", "progressive", "gerund", "bare"])
@pytest.mark.parametrize("split", ["train", "held"])
def test_no_phrase_of_the_training_table_is_doubted(texts: Phrases, form: str, split: str) -> None:
    subjects = (*SUBJECTS[split], "")
    alarms: dict[str, list[str]] = {}
    for at, phrase in enumerate(texts.phrases):
        if phrase.split == split:
            prompt = subjects[at % len(subjects)] + texts.wording.formed(phrase.phrase, form)
            unseen = unseen_verbs(prompt, "tiny")
            assert unseen is not None, prompt
            for verb in unseen.values():
                alarms.setdefault(verb.text, []).append(prompt)
    assert alarms == {}
