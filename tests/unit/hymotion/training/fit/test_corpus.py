"""What a step draws: the same for the same number, shared by processes, in the bounds."""

import torch

from hymotion.text.subword import SubwordEncoder
from tests.unit.hymotion.training.learning import (
    LENGTHS,
    TEXTS,
    VOCABULARY,
    config,
    corpus,
    learner,
    recipe,
)

KNOWN = corpus()


def test_a_step_is_drawn_by_its_number_alone() -> None:
    one = KNOWN.lesson(3, recipe(), rank=0, size=1)
    again = KNOWN.lesson(3, recipe(), rank=0, size=1)
    other = KNOWN.lesson(4, recipe(), rank=0, size=1)
    assert all(
        torch.equal(a, b) for a, b in zip(vars(one).values(), vars(again).values(), strict=True)
    )
    assert one.noise.shape != other.noise.shape or not torch.equal(one.noise, other.noise)


def test_processes_share_a_batch_without_overlap() -> None:
    alone = [KNOWN.lesson(7, recipe(), rank=rank, size=2) for rank in (0, 1)]
    counted = sum(int(part.lengths.sum()) for part in alone)
    # The loss is a sum over both, of which DDP takes the mean.
    assert float(alone[0].total) * 2 == counted
    assert abs(len(alone[0].lengths) - len(alone[1].lengths)) == 0


def test_all_motions_come_and_only_steady_ones_are_cut() -> None:
    seen: set[int] = set()
    for step in range(200):
        lesson = KNOWN.lesson(step, recipe(crop=1.0), rank=0, size=1)
        seen |= set(lesson.lengths.tolist())
        assert bool((lesson.t > 0).all() and (lesson.t < 1).all())
    assert {40, 62} <= seen
    shorter = {length for length in seen if length not in LENGTHS}
    assert shorter
    assert min(shorter) >= 20
    assert max(shorter) <= 30


def test_frames_beyond_the_end_are_zero() -> None:
    lesson = next(
        found
        for step in range(100)
        if len(set((found := KNOWN.lesson(step, recipe(), rank=0, size=1)).lengths.tolist())) > 1
    )
    shortest = int(lesson.lengths.argmin())
    assert not lesson.motion[shortest, int(lesson.lengths[shortest]) :].any()


def test_training_and_the_encoder_give_the_same_features() -> None:
    taught = learner(KNOWN)
    sizes = config().subword
    assert sizes is not None
    prompts = KNOWN.prompts
    vectors = taught.text.piece_vectors(prompts.pieces[prompts.forms[:, 0]])
    batch = taught.text(prompts.known[prompts.forms[:, 0]], vectors, prompts.lengths[:, 0])
    encoder = SubwordEncoder(config=sizes, embedding=taught.text, vocabulary=VOCABULARY)
    for row, text in enumerate(encoder.encode(TEXTS)):
        assert text.length == int(prompts.lengths[row, 0])
        assert torch.allclose(batch.ctxt[row, : text.length], text.ctxt, atol=1e-6)
        assert torch.allclose(batch.vtxt[row], text.vtxt, atol=1e-6)


def test_words_out_of_the_vocabulary_have_the_number_of_no_word() -> None:
    known = KNOWN.prompts.known[KNOWN.prompts.forms[3, 0]]
    assert known.tolist()[:4] == [1, 0, 0, 0]
