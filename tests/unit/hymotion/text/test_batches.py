"""Which prompts are encoded together."""

from hypothesis import given
from hypothesis import strategies as st

from hymotion.text.batches import MAX_PROMPTS, batches


def test_prompts_of_about_equal_length_go_together_the_longest_first() -> None:
    lengths = [5, 100, 6, 90, 7, 5]
    assert [*batches(lengths, prefix=20, tokens=240)] == [[1, 3], [4, 2, 0, 5]]


def test_one_that_is_too_long_goes_alone() -> None:
    assert [*batches([50, 60], prefix=20, tokens=10)] == [[1], [0]]
    assert [*batches([], prefix=20, tokens=10)] == []


@given(
    lengths=st.lists(st.integers(1, 128), max_size=400),
    prefix=st.integers(0, 200),
    tokens=st.integers(1, 20_000),
)
def test_each_prompt_goes_once_and_the_limits_hold(
    lengths: list[int], prefix: int, tokens: int
) -> None:
    made = [*batches(lengths, prefix=prefix, tokens=tokens)]
    assert sorted(row for batch in made for row in batch) == [*range(len(lengths))]
    for batch in made:
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= MAX_PROMPTS
        assert len(batch) == 1 or len(batch) * (prefix + longest) <= tokens
