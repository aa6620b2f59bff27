"""The plan: held-out paraphrases, sides in turn, the same every time."""

from hymotion.evaluation.plan import action_trials, attributes_of, own_pairs, pair_trials
from hymotion.metrics import load_judge
from hymotion.training.phrases.phrases import SUBJECTS, own_texts

TEXTS = own_texts()


def test_every_prompt_is_held_out_and_no_seed_repeats_one() -> None:
    trained = {phrase.phrase for phrase in TEXTS.phrases if phrase.split == "train"}
    frames = dict.fromkeys(sorted(TEXTS.actions), 50)
    trials = list(action_trials(TEXTS, frames, seeds=8))
    assert len(trials) == 8 * len(frames)
    assert len({(one.shows, one.seed) for one in trials}) == len(trials)
    for one in trials:
        [subject] = [each for each in SUBJECTS["held"] if one.prompt.startswith(each)]
        assert one.prompt.removeprefix(subject) not in trained
    assert len({one.prompt for one in trials}) > 0.75 * len(trials)
    assert trials == list(action_trials(TEXTS, frames, seeds=8))


def test_sides_come_in_turn() -> None:
    kinds = attributes_of(TEXTS, "cartwheel")
    assert {kind["side"] for kind in kinds} == {"left", "right"}
    prompts = [one.prompt for one in action_trials(TEXTS, {"cartwheel": 80}, seeds=8)]
    assert sum("left" in prompt for prompt in prompts) == 4
    assert sum("right" in prompt for prompt in prompts) == 4


def test_pairs_can_be_told_apart_judged_and_made() -> None:
    pairs = own_pairs()
    known = set(load_judge().actions)
    assert len(pairs) >= 24
    for first, second in pairs:
        assert first.action != second.action
        assert {first.action, second.action} <= known
        assert first.frames + second.frames <= 360
        # Three windows of 40 frames, every 5, fit into a part and a little of its neighbour.
        assert min(first.frames, second.frames) >= 45
    trials = list(pair_trials(TEXTS, pairs, seeds=4))
    assert len(trials) == 4 * len(pairs)
    assert all("after that " in one.prompt or "afterwards " in one.prompt for one in trials)
