from __future__ import annotations

from collections import Counter

import pytest

from vllm_migrate.prompts.files import PromptLine, read_prompts
from vllm_migrate.prompts.strata import SHARED_TOKENS, choose, length_bands, prefix_groups

LINES = [PromptLine("x" * length) for length in range(1, 101)]


def test_a_draw_reaches_every_length_and_is_repeatable():
    drawn = choose(LINES, 8, strata=4, seed=3)
    assert drawn == sorted(set(drawn))
    assert Counter(index // 25 for index in drawn) == {0: 2, 1: 2, 2: 2, 3: 2}
    assert drawn == choose(LINES, 8, strata=4, seed=3)
    assert any(choose(LINES, 8, strata=4, seed=seed) != drawn for seed in range(4))


@pytest.mark.parametrize("limit", [1, 3, 7, 99])
@pytest.mark.parametrize("strata", [1, 4, 200])
def test_exactly_as_many_as_asked_for(limit, strata):
    assert len(set(choose(LINES, limit, strata=strata, seed=0))) == limit


def test_without_bands_the_first_ones():
    assert choose(LINES, 3, strata=0, seed=9) == [0, 1, 2]
    assert choose(LINES, 500, strata=4, seed=9) == list(range(100))


def test_what_begins_alike_is_drawn_together():
    lines = [PromptLine(f"{group:064d}{member}") for group in range(50) for member in range(2)]
    for seed in range(20):
        drawn = choose(lines, 20, strata=1, seed=seed)
        assert set(Counter(index // 2 for index in drawn).values()) == {2}


def test_lengths_in_words():
    assert length_bands([1, 2, 3, 4, 5, 6, 7, 8], 4) == [
        *["1-2 tokens"] * 2,
        *["3-4 tokens"] * 2,
        *["5-6 tokens"] * 2,
        *["7-8 tokens"] * 2,
    ]
    assert length_bands([5, 5, 5, 9], 4) == ["5 tokens", "5 tokens", "5 tokens", "9 tokens"]
    assert length_bands([7], 4) == ["7 tokens"]


def test_prompts_that_share_a_block_share_a_group():
    shared = list(range(SHARED_TOKENS))
    assert prefix_groups([[*shared, 1], [9] * 20, [*shared, 2], shared[:-1], shared[:-1]]) == [
        0,
        -1,
        0,
        -1,
        -1,
    ]


def test_the_draw_from_a_file(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("\n".join(line.text for line in LINES))
    assert [line.text for line in read_prompts(path, limit=2)] == ["x", "xx"]
    drawn = read_prompts(path, limit=4, strata=4, seed=1)
    assert [(len(line.text) - 1) // 25 for line in drawn] == [0, 1, 2, 3]
