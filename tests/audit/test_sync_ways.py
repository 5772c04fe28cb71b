"""Names of ways to bring in weights, which cases they make, and the sequences they are tried on."""

from __future__ import annotations

import pytest

from vllm_migrate.audit.sync.sequences import (
    FEWEST_TOKENS,
    SEQUENCES,
    TOKENS,
    TOKENS_IN_FLIGHT,
    shared_prefix_batch,
)
from vllm_migrate.audit.sync.ways import PAUSES, Case, SyncWay, cases, parse_way
from vllm_migrate.errors import UsageError
from vllm_migrate.trace.model import Prompt, Rollout
from vllm_migrate.workers import sync_protocol as wire


def test_every_mode_can_be_named_with_and_without_reset():
    for mode in wire.MODES:
        for way in (SyncWay(mode), SyncWay(mode, clear=True)):
            assert parse_way(str(way)) == way


@pytest.mark.parametrize(
    "text", ["", "load", "reload+", "reload+clear", "+reset", "pause", "reload+reset+reset"]
)
def test_other_names_are_refused(text):
    with pytest.raises(UsageError, match="no such way"):
        parse_way(text)


def test_none_probes_nothing():
    assert cases("none", generation="v1", caching=True, way=SyncWay("reload")) == ()


def test_the_pause_modes_alone_are_every_one_of_them_in_flight():
    found = cases(PAUSES, generation="v1", caching=True, way=None)
    assert [(case.way.mode, case.way.clear) for case in found] == [
        (mode, clear) for mode in ("pause-keep", "pause-abort", "pause-wait") for clear in (False, True)
    ]
    assert all(case.after and case.caching for case in found)


def test_own_is_the_users_way_and_what_may_stand_in_for_it():
    def own(way, **more):
        return [case.way for case in cases("own", generation="v1", caching=True, way=way, **more)]

    reset = SyncWay(wire.RELOAD, clear=True)
    assert own(reset) == [reset]
    assert own(SyncWay(wire.IN_PLACE, clear=True)) == [SyncWay(wire.IN_PLACE, clear=True), reset]
    assert cases("own", generation="v1", caching=True, way=None) == cases(
        "auto", generation="v1", caching=True, way=None
    )


def test_auto_covers_the_pause_modes_with_and_without_clearing():
    found = cases("auto", generation="v1", caching=True, way=None)
    ways = {case.way for case in found}
    assert {SyncWay(mode, clear) for mode in wire.PAUSES for clear in (False, True)} <= ways
    assert Case(SyncWay(wire.RELOAD), caching=False) in found
    assert any(case.head for case in found)
    assert len(found) == len(set(found))


def test_the_users_way_is_always_probed_and_comes_first():
    way = SyncWay(wire.IN_PLACE, clear=True)
    assert cases("auto", generation="v1", caching=True, way=way)[0].way == way


def test_an_engine_without_caching_is_not_asked_for_it():
    assert not any(case.caching for case in cases("all", generation="v1", caching=False, way=None))


def test_all_holds_auto():
    auto = cases("auto", generation="v1", caching=True, way=None)
    everything = cases("all", generation="v1", caching=True, way=None)
    assert set(auto) < set(everything)
    assert {case.way.mode for case in everything} == set(wire.MODES) - {wire.NONE}


def test_v0_is_updated_in_place():
    for level in ("auto", "all"):
        found = cases(level, generation="v0", caching=False, way=SyncWay("reload"))
        assert {case.way.mode for case in found} == {"in-place"}


def group(count, samples, prompt_length, completion_length):
    prompts = [
        Prompt(number, "", tuple(100 * number + i for i in range(prompt_length)), {})
        for number in range(count)
    ]
    rollouts = [
        Rollout(number, sample, tuple(range(completion_length)), (0.0,) * completion_length, "", "length")
        for number in range(count)
        for sample in range(samples)
    ]
    return prompts, rollouts


def test_short_prompts_get_a_stem_of_two_blocks():
    prompts, rollouts = group(20, 4, 10, 30)
    batch = shared_prefix_batch(prompts, rollouts, block_size=32, max_model_len=256)
    assert len(batch.prompts) == SEQUENCES
    stem = batch.prompts[0][:65]
    assert all(prompt[:65] == stem for prompt in batch.prompts)
    assert all(len(prompt) == 75 for prompt in batch.prompts)
    assert batch.prompts[0] == batch.prompts[1] != batch.prompts[2]
    assert all(len(completion) == TOKENS for completion in batch.completions)


def test_sequences_that_an_update_must_meet_on_the_way_are_longer():
    prompts, rollouts = group(20, 4, 10, 30)
    batch = shared_prefix_batch(prompts, rollouts, block_size=32, max_model_len=256, fewest=TOKENS_IN_FLIGHT)
    assert all(len(completion) == TOKENS_IN_FLIGHT for completion in batch.completions)
    assert batch.completions[0][:30] == list(rollouts[0].token_ids)
    longest = shared_prefix_batch(
        *group(2, 2, 500, 60), block_size=32, max_model_len=256, fewest=TOKENS_IN_FLIGHT
    )
    for prompt, tokens in zip(longest.prompts, longest.completions, strict=True):
        assert len(prompt) + len(tokens) <= 256


def test_long_prompts_are_left_alone():
    prompts, rollouts = group(2, 2, 100, 30)
    batch = shared_prefix_batch(prompts, rollouts, block_size=16, max_model_len=256)
    assert batch.prompts[0] == list(prompts[0].token_ids)


def test_one_block_has_to_do_where_two_do_not_fit():
    prompts, rollouts = group(2, 2, 10, 30)
    batch = shared_prefix_batch(prompts, rollouts, block_size=32, max_model_len=64 + TOKENS)
    assert all(32 < len(prompt) <= 64 for prompt in batch.prompts)


def test_no_room_for_a_block_gives_nothing():
    prompts, rollouts = group(2, 2, 10, 30)
    assert not shared_prefix_batch(prompts, rollouts, block_size=128, max_model_len=128).prompts


def test_short_completions_are_lengthened_with_the_users_tokens():
    prompts, rollouts = group(1, 1, 3, 1)
    batch = shared_prefix_batch(prompts, rollouts, block_size=4, max_model_len=256)
    assert batch.completions == [[0, 0, 1, 2, 0, 1, 2, 0]]
    assert len(batch.completions[0]) == FEWEST_TOKENS
