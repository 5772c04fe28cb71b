"""Where greedy completions part: the figures, and their way through traces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import candidate, reference

from vllm_migrate.audit.compare import compare_traces
from vllm_migrate.audit.decide.extend import part_of
from vllm_migrate.audit.figures.greedy import first_difference, of_greedy
from vllm_migrate.audit.figures.metrics import ClipRange
from vllm_migrate.audit.plan import greedy_profile
from vllm_migrate.trace.model import Rollout
from vllm_migrate.trace.parquet import read_trace, write_trace
from vllm_migrate.trace.redact import redacted
from vllm_migrate.workers.protocol import SamplingSettings


def completion(prompt, *ids):
    return Rollout(prompt, 0, ids, (-0.1,) * len(ids), "", "stop")


def figures(*pairs):
    ours = [completion(prompt, *one) for prompt, (one, _) in enumerate(pairs)]
    theirs = [completion(prompt, *two) for prompt, (_, two) in enumerate(pairs)]
    return {figure.metric: figure for figure in of_greedy(ours, theirs)}


@pytest.mark.parametrize(
    ("one", "two", "position"),
    [
        ((1, 2, 3), (1, 2, 3), None),
        ((1, 2, 3), (1, 5, 3), 1),
        ((1, 2, 3), (1, 2), 2),
        ((1,), (1, 2), 1),
        ((), (7,), 0),
        ((), (), None),
    ],
)
def test_the_first_difference_is_a_token_or_an_end(one, two, position):
    assert first_difference(one, two) == position


def test_share_and_median_are_over_prompts():
    same, soon, later = ((1, 2, 3, 4), (1, 2, 3, 4)), ((1, 2, 3, 4), (1, 9, 9, 9)), ((1, 2, 3, 4), (1, 2, 3))
    found = figures(same, same, soon, later, later)
    assert found["greedy_identical"].estimate.value == pytest.approx(0.4)
    assert found["greedy_identical"].note == "2 of 5 prompts"
    assert found["greedy_identical"].estimate.low == pytest.approx(0.0527, abs=1e-4)  # Clopper and Pearson
    assert found["greedy_identical"].estimate.high == pytest.approx(0.8534, abs=1e-4)
    assert found["greedy_first_divergence"].estimate.value == 3.0
    assert found["greedy_first_divergence"].note == "of 3 that part: at 1, 3, 3"
    assert found["greedy_first_divergence"].estimate.low == 1.0
    assert found["greedy_first_divergence"].estimate.high == 3.0


def test_engines_that_never_part_have_no_position_and_one_that_parts_no_interval():
    same, parted = ((1, 2), (1, 2)), ((1, 2), (3, 2))
    assert set(figures(same, same)) == {"greedy_identical"}
    once = figures(same, parted)["greedy_first_divergence"].estimate
    assert (once.value, once.low, once.high) == (0.0, None, None)
    assert figures() == {}


def test_prompts_of_one_side_and_hidden_tokens_are_left_out():
    ours = [completion(0, 1, 2), completion(1, 1, 2), completion(2, -1, -1)]
    theirs = [completion(1, 1, 2), completion(2, -1, -1)]
    (share,) = of_greedy(ours, theirs)
    assert share.note == "1 of 1 prompts"


def test_greedy_keeps_penalties_and_lengths():
    profile = greedy_profile(SamplingSettings(0.7, 0.9, 50, 0.1, 1.2, max_tokens=9, stop_token_ids=[3]))
    assert profile == SamplingSettings(0.0, 1.0, -1, 0.0, 1.2, max_tokens=9, stop_token_ids=[3])


def test_traces_carry_them_to_a_comparison_and_redacted_ones_do_not(tmp_path):
    theirs = replace(reference(), greedy=tuple(completion(n, 1, 2, 3) for n in range(4)))
    ours = replace(candidate(theirs), greedy=tuple(completion(n, 1, 2 + n % 2, 3) for n in range(4)))
    paths = tmp_path / "reference.parquet", tmp_path / "candidate.parquet"

    def compared(*traces):
        for trace, path in zip(traces, paths, strict=True):
            write_trace(trace, path)
        result = compare_traces(*paths, clip=ClipRange())
        return {entry.metric: entry for entry in result.diagnostics}

    found = compared(theirs, ours)
    assert read_trace(paths[0]).greedy == theirs.greedy
    assert found["greedy_identical"].estimate.value == 0.5
    assert found["greedy_first_divergence"].estimate.value == 1.0
    assert not any(entry.notable for name, entry in found.items() if name.startswith("greedy"))
    hidden = compared(redacted(theirs), redacted(ours))
    assert not any(name.startswith("greedy") for name in hidden)
    assert hidden.keys() == {name for name in found if not name.startswith("greedy")}


def test_a_part_of_a_trace_has_the_greedy_completions_of_its_prompts():
    theirs = replace(reference(), greedy=tuple(completion(n, n) for n in range(4)))
    assert part_of(theirs, 2, 8).greedy == (completion(0, 2), completion(1, 3))
