"""Run by a child whose interpreter has torch: every check, and what went wrong, as JSON on the last line."""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import fields

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from vllm_migrate.errors import BoundaryError
from vllm_migrate.guard import Boundaries, PolicyGuard
from vllm_migrate.objective import DEFAULTS, clip_range

SHIPPED = Boundaries.default()
ODD = (np.nan, np.inf, -np.inf, 0.0, 0.5, -100.0)


def random_step(rng, *, odd=False, dtype=np.float64, shape=None):
    """All kinds of arrays, sometimes missing, sometimes with values that no logprob has."""
    shape = shape or (int(rng.integers(1, 9)), int(rng.integers(1, 40)))
    rollout = -rng.exponential(2, size=shape) - 0.01
    given = {
        "rollout_logprobs": rollout,
        "trainer_logprobs": np.minimum(rollout + rng.normal(0, 0.2, shape), 0),
        "mask": rng.random(shape) < 0.7,
    }
    given["mask"][0, 0] = True
    if rng.random() < 0.5:
        given["previous_logprobs"] = np.minimum(rollout + rng.normal(0, 0.1, shape), 0)
    if rng.random() < 0.5:
        given["reference_logprobs"] = np.minimum(rollout + rng.normal(0, 0.5, shape), 0)
    if rng.random() < 0.5:
        given["entropy"] = rng.random(shape)
    if rng.random() < 0.8:
        given["rewards"] = rng.integers(0, 2, shape[0]).astype(float)
        given["groups"] = rng.integers(0, 3, shape[0])
        given["advantages"] = rng.normal(size=shape if rng.random() < 0.5 else shape[0])
        given["second_rewards"] = rng.random(shape[0])
    for name, value in given.items():
        if value.dtype == np.float64:
            if odd:
                value[rng.random(value.shape) < 0.1] = rng.choice(ODD)
            given[name] = value.astype(dtype)
    return given


def tensors(given):
    return {name: torch.as_tensor(value) for name, value in given.items()}


def refusal(guard, given):
    """What the guard says where it refuses a step."""
    try:
        guard.step(**given)
    except BoundaryError as error:
        return error.message
    return "not refused"


def same(left, right, rel, least):
    for field in fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if a is None or b is None or isinstance(a, bool):
            assert a == b, (field.name, a, b)
        else:
            # A standard error is the root of a difference: what is lost there is small beside 1 + ratio.
            root = field.name == "mean_ratio_error"
            room = least**0.5 * (2 + (left.mean_ratio_deviation or 0.0)) if root else least
            np.testing.assert_allclose(b, a, rtol=rel, atol=room, err_msg=field.name)


def check_torch_and_numpy_measure_the_same():
    rng = np.random.default_rng(0)
    for number in range(300):
        single = number % 2 == 1
        given = random_step(rng, odd=number % 3 == 0, dtype=np.float32 if single else np.float64)
        clip = clip_range(sorted(DEFAULTS)[number % len(DEFAULTS)])
        by_numpy, by_torch = PolicyGuard(SHIPPED, clip=clip), PolicyGuard(SHIPPED, clip=clip)
        one, other = by_numpy.step(**given), by_torch.step(**tensors(given))
        same(one.measured, other.measured, *((2e-4, 2e-5) if single else (1e-9, 1e-7)))
        if not single:
            assert one.action is other.action, (one.message, other.message)
            assert [c.boundary for c in one.crossings] == [c.boundary for c in other.crossings]


def check_nothing_is_read_from_the_device_but_one_vector():
    """Tensors of the meta device have no values: whatever asks for one raises."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        given = {name: value.to("meta") for name, value in tensors(random_step(rng)).items()}
        seen = []

        def on_host(vector, seen=seen):
            seen.append(vector)
            return torch.arange(vector.shape[0], dtype=torch.float64) * 0 + 1

        # The ones say, too, that there is a wrong value in the mask.
        assert "the mask holds 1 values" in refusal(PolicyGuard(SHIPPED, reduce=on_host), given)
        (vector,) = seen
        assert vector.device.type == "meta"
        assert vector.ndim == 1
        assert vector.shape[0] <= 64, vector.shape


class Reads(TorchFunctionMode):
    """Counts what brings values to the host."""

    NAMES = frozenset(
        {"tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__"}
    )

    def __init__(self):
        self.seen = []
        super().__init__()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in self.NAMES or name in {"nonzero", "masked_select", "unique", "equal", "allclose"}:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def check_a_step_reads_once():
    rng = np.random.default_rng(2)
    for _ in range(50):
        given = tensors(random_step(rng))
        guard = PolicyGuard(SHIPPED)
        with Reads() as reads:
            guard.step(**given, weight_lag=2)
        assert reads.seen == ["tolist"], reads.seen


def check_gradients_are_left_alone():
    rng = np.random.default_rng(3)
    given = tensors(random_step(rng, shape=(4, 8)))
    trainer = given["trainer_logprobs"].clone().requires_grad_()
    scaled = trainer * 1.0
    expected = PolicyGuard(SHIPPED).step(**given)
    assert PolicyGuard(SHIPPED).step(**{**given, "trainer_logprobs": scaled}) == expected
    scaled.sum().backward()
    assert bool((trainer.grad == 1).all())
    assert torch.is_grad_enabled()
    with torch.inference_mode():
        assert PolicyGuard(SHIPPED).step(**given) == expected


def check_inputs_are_not_written_to():
    rng = np.random.default_rng(4)
    for _ in range(20):
        given = tensors(random_step(rng, odd=True))
        before = {name: value.clone() for name, value in given.items()}
        PolicyGuard(SHIPPED).step(**given)
        for name, value in given.items():
            assert torch.equal(torch.nan_to_num(value), torch.nan_to_num(before[name])), name


def check_kinds_may_be_mixed():
    given = random_step(np.random.default_rng(5), shape=(4, 8), dtype=np.float32)
    expected = PolicyGuard(SHIPPED).step(**tensors(given))
    for name in given:
        mixed = {**tensors(given), name: given[name]}
        assert PolicyGuard(SHIPPED).step(**mixed) == expected, name
    lists = {**tensors(given), "rollout_logprobs": given["rollout_logprobs"].tolist()}
    assert PolicyGuard(SHIPPED).step(**lists) == expected
    integers = {**tensors(given), "mask": torch.as_tensor(given["mask"]).long()}
    assert PolicyGuard(SHIPPED).step(**integers) == expected


def check_sixteen_bits():
    given = tensors(random_step(np.random.default_rng(6), shape=(8, 32)))
    full = PolicyGuard(SHIPPED).step(**given).measured
    half = {name: value.bfloat16() if name.endswith("_logprobs") else value for name, value in given.items()}
    found = PolicyGuard(SHIPPED).step(**half).measured
    assert found.half_precision
    assert not full.half_precision
    np.testing.assert_allclose(found.mismatch_k2, full.mismatch_k2, rtol=0.05)


def check_settings_of_torch_do_not_matter():
    given = tensors(random_step(np.random.default_rng(7), shape=(8, 32), dtype=np.float32))
    expected = PolicyGuard(SHIPPED).step(**given)
    torch.set_default_dtype(torch.bfloat16)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_default_device("meta")
    try:
        assert PolicyGuard(SHIPPED).step(**given) == expected
    finally:
        torch.set_default_device(None)
        torch.use_deterministic_algorithms(mode=False)
        torch.set_default_dtype(torch.float32)


def check_bad_tensors_are_one_clear_line():
    given = tensors(random_step(np.random.default_rng(8), shape=(4, 8)))
    nested = torch.nested.as_nested_tensor([torch.zeros(3), torch.zeros(2)], layout=torch.jagged)
    for changed, said in (
        ({"rollout_logprobs": nested}, "rollout_logprobs is a nested tensor"),
        ({"trainer_logprobs": torch.zeros(4, 8, dtype=torch.long)}, "trainer_logprobs holds int64"),
        ({"mask": torch.zeros(4, 8)}, "the mask keeps no token"),
        ({"mask": torch.full((4, 8), 0.5)}, "the mask holds 32 values other than 0 and 1"),
        ({"rewards": [None] * 4}, "rewards is no array of numbers"),
        ({"groups": torch.zeros(4)}, "groups holds float32"),
        ({"previous_logprobs": torch.zeros(8, 4)}, "previous_logprobs has shape (8, 4), not (4, 8)"),
    ):
        message = refusal(PolicyGuard(SHIPPED), {**given, **changed})
        assert said in message, (said, message)
        assert "\n" not in message, message


def went_wrong(check) -> str:
    try:
        check()
    except Exception:  # noqa: BLE001 - the parent reports it as a failed test
        return traceback.format_exc()
    return ""


def main() -> int:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found = {}
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            found[name] = went_wrong(check)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
