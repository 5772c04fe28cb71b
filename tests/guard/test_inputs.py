from __future__ import annotations

import numpy as np
import pytest
from guard_steps import step

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard import Boundaries, PolicyGuard

GIVEN = step(movement=0.1, mismatch=0.1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trainer_logprobs": np.zeros(32)}, "trainer_logprobs has shape (32,), not (B, T)"),
        ({"rollout_logprobs": np.zeros((8, 31))}, "rollout_logprobs has shape (8, 31), not (8, 32)"),
        ({"previous_logprobs": np.zeros((7, 32))}, "previous_logprobs has shape (7, 32), not (8, 32)"),
        ({"mask": np.ones(8)}, "mask has shape (8,), not (8, 32)"),
        ({"mask": None}, "mask is missing"),
        ({"mask": np.zeros((8, 32))}, "the mask keeps no token"),
        ({"mask": np.full((8, 32), 0.5)}, "the mask holds 256 values other than 0 and 1"),
        ({"mask": np.full((8, 32), "x")}, "mask holds"),
        ({"trainer_logprobs": np.zeros((8, 32), dtype=int)}, "trainer_logprobs holds int64, not floats"),
        ({"rollout_logprobs": np.zeros((8, 32), dtype=complex)}, "rollout_logprobs holds complex128"),
        ({"rollout_logprobs": [[0.0] * 32] * 7 + [[0.0]]}, "rollout_logprobs is no array of numbers"),
        ({"rollout_logprobs": np.full((8, 32), None)}, "rollout_logprobs holds object, not floats"),
        ({"rewards": np.zeros(9)}, "rewards has shape (9,), not (8,)"),
        ({"rewards": np.full(8, None)}, "rewards holds object, not numbers"),
        ({"rewards": ["good"] * 8}, "not numbers"),
        ({"advantages": np.zeros((8, 31))}, "advantages has shape (8, 31), not (8,) or (8, 32)"),
        ({"groups": np.zeros(8)}, "groups holds float64, not whole numbers"),
        ({"groups": np.zeros((8, 1), dtype=int)}, "groups has shape (8, 1), not (8,)"),
        ({"entropy": np.zeros(8)}, "entropy has shape (8,), not () or (8, 32)"),
        ({"entropy": "high"}, "entropy holds"),
        ({"weight_lag": [1, 2]}, "weight_lag must be one number, not list"),
    ],
)
def test_bad_input_is_one_clear_line(changed, said):
    with pytest.raises(BoundaryError) as refused:
        PolicyGuard(Boundaries.default()).step(**{**GIVEN, **changed})
    assert said in refused.value.message
    assert "\n" not in refused.value.message


def test_bad_input_leaves_the_guard_as_it_was():
    guard = PolicyGuard(Boundaries.default())
    guard.step(**GIVEN)
    before = guard.state_dict()
    with pytest.raises(BoundaryError):
        guard.step(**{**GIVEN, "mask": np.zeros((8, 32))})
    assert guard.state_dict() == before


def test_lists_and_masks_of_any_kind_are_taken():
    expected = PolicyGuard(Boundaries.default()).step(**GIVEN)
    lists = {name: value.tolist() for name, value in GIVEN.items()}
    assert PolicyGuard(Boundaries.default()).step(**lists) == expected
    for kind in (np.int64, np.float32, np.uint8):
        given = {**GIVEN, "mask": GIVEN["mask"].astype(kind)}
        assert PolicyGuard(Boundaries.default()).step(**given) == expected


def test_the_callers_arrays_are_not_written_to():
    given = {name: value.copy() for name, value in GIVEN.items()}
    for value in given.values():
        value.flags.writeable = False
    PolicyGuard(Boundaries.default()).step(**given)
    for name, value in given.items():
        assert np.array_equal(value, GIVEN[name])
