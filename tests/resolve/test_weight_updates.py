from __future__ import annotations

import textwrap
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from vllm_migrate.facts.model import Target
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.weight_sync import WeightUpdate

HEAD = "from vllm import LLM, AsyncLLMEngine\n\n"


def read(code: str) -> tuple[list[WeightUpdate], str]:
    source = HEAD + textwrap.dedent(code)
    facts = read_python(PurePosixPath("sync.py"), source.encode(), None, Target("vllm", Version("0.32.0")))
    return list(facts.updates), source


def line_of(source: str, update: WeightUpdate) -> str:
    """The first line of the statement behind which the update is done."""
    assert update.point is not None
    return source[update.point.start :].splitlines()[0]


ONE = """
    def sync(llm: LLM, weights, engines: list[LLM], rank):
{body}
"""


def one(body: str) -> tuple[WeightUpdate, str]:
    updates, source = read(ONE.format(body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8)))
    (update,) = updates
    return update, source


def test_a_loop_over_tensors_is_climbed_out_of() -> None:
    update, source = one(
        """
        for bucket in weights:
            for name, tensor in bucket:
                llm.collective_rpc("update_weight", args=(name, tensor.shape))
        """
    )
    assert line_of(source, update) == "for bucket in weights:"
    assert (update.engine, update.owner, update.headers) == ("llm", "vllm.LLM", ())


def test_what_flows_through_names_bound_in_the_loop_counts() -> None:
    update, source = one(
        """
        for name, tensor in weights:
            shape = tuple(tensor.shape)
            message = (name, shape)
            llm.collective_rpc("update_weight", args=message)
        """
    )
    assert line_of(source, update) == "for name, tensor in weights:"


@pytest.mark.parametrize(
    "body",
    [
        # the training loop
        "for step in weights:\n    llm.generate(['a'])\n    llm.collective_rpc('load_weights', args=(step,))",
        # nothing of the loop is sent
        "for step in range(9):\n    state = weights()\n    llm.collective_rpc('load_weights', args=(state,))",
        # the engine is handed on in the loop
        "for path in weights:\n    llm.collective_rpc('load_weights', args=(path,))\n    evaluate(llm)",
        "for path in weights:\n    llm.collective_rpc('load_weights', args=(path,))\n    report(llm)",
        "while weights:\n    llm.collective_rpc('load_weights', args=(weights.pop(),))",
    ],
)
def test_other_loops_are_not(body: str) -> None:
    update, source = one(body)
    assert line_of(source, update).startswith("llm.collective_rpc")


def test_conditions_are_kept_where_they_hold_for_the_whole_update() -> None:
    update, source = one(
        """
        for name, tensor in weights:
            if name.startswith("lm_head"):
                if rank == 0:
                    llm.collective_rpc("update_weight", args=(name,))
        """
    )
    assert line_of(source, update) == "for name, tensor in weights:"
    assert update.headers == ("if rank == 0:",)


def test_the_other_branch_is_the_negated_condition() -> None:
    update, _ = one(
        """
        for name, tensor in weights:
            if rank > 0:
                pass
            else:
                llm.collective_rpc("update_weight", args=(name,))
        """
    )
    assert update.headers == ("if not (rank > 0):",)


def test_every_engine_of_a_loop_is_kept() -> None:
    update, source = one(
        """
        for name, tensor in weights:
            for engine in engines:
                engine.collective_rpc("update_weight", args=(name,))
        """
    )
    assert line_of(source, update) == "for name, tensor in weights:"
    assert update.headers == ("for engine in engines:",)


def test_an_engine_outside_of_the_tensors_needs_no_loop_of_its_own() -> None:
    update, source = one(
        """
        for engine in engines:
            for name, tensor in weights:
                engine.collective_rpc("update_weight", args=(name,))
        """
    )
    assert line_of(source, update) == "for name, tensor in weights:"
    assert update.headers == ()


def test_a_comprehension_over_engines() -> None:
    update, source = one(
        """
        for name, tensor in weights:
            done = [engine.collective_rpc("update_weight", args=(name,)) for engine in engines]
        """
    )
    assert line_of(source, update) == "for name, tensor in weights:"
    assert update.headers == ("for engine in engines:",)


def test_what_is_returned_has_no_statement_after_it() -> None:
    update, _ = one("return llm.collective_rpc('load_weights', args=(weights,))")
    assert (update.point, update.unclear) == (None, "returned")


def test_a_method_that_sends_one_tensor_is_followed_to_its_callers() -> None:
    updates, source = read(
        """
        class Trainer:
            def __init__(self):
                self.llm = LLM("m")

            def push(self, name, tensor):
                self.llm.collective_rpc("update_weight", args=(name, tensor.shape))

            def sync(self, weights):
                for name, tensor in weights:
                    self.push(name, tensor)
        """
    )
    (update,) = updates
    assert update.function == "Trainer.sync"
    assert line_of(source, update) == "for name, tensor in weights:"


def test_a_function_that_sends_one_tensor_is_followed_with_its_engine() -> None:
    updates, source = read(
        """
        def push(llm: LLM, name, tensor):
            llm.apply_model(lambda model: model.load_weights([(name, tensor)]))

        def sync_all(engine: LLM, weights):
            for name, tensor in weights:
                push(engine, name, tensor)

        def push_one(llm: LLM, name):
            llm.collective_rpc("update_weight", args=(name,))

        def sync(actor: LLM, weights):
            for name, _ in weights:
                push_one(actor, name)
        """
    )
    assert [(u.engine, u.function) for u in updates] == [("engine", "sync_all"), ("actor", "sync")]
    assert line_of(source, updates[1]) == "for name, _ in weights:"


def test_without_callers_in_sight_one_tensor_is_said() -> None:
    updates, _ = read(
        """
        class Engine:
            def __init__(self):
                self.llm = LLM("m")

            def update_weight(self, name, dtype, shape):
                self.llm.collective_rpc("update_weight", args=(name, dtype, shape))
        """
    )
    assert [(u.point, u.unclear) for u in updates] == [(None, "one-tensor")]


@pytest.mark.parametrize(
    ("after", "reset"),
    [
        ("self.llm.reset_prefix_cache()", True),
        ("self.llm.llm_engine.reset_prefix_cache()", True),
        ("self.llm.generate(['a'])", False),
    ],
)
def test_a_reset_in_the_caller_counts(after: str, reset: bool) -> None:
    updates, _ = read(
        f"""
        class Trainer:
            def __init__(self):
                self.llm = LLM("m")

            def load(self, state):
                self.llm.collective_rpc("load_weights", args=(state,))

            def step(self, state):
                self.load(state)
                {after}
        """
    )
    assert [u.reset for u in updates] == [reset]


def test_a_reset_before_the_update_does_not_count() -> None:
    update, _ = one("llm.reset_prefix_cache()\nllm.collective_rpc('load_weights', args=(weights,))")
    assert not update.reset


@pytest.mark.parametrize(("argument", "reset"), [("", True), ("clear_cache=False", False)])
def test_a_pause_clears_the_cache_unless_told_not_to(argument: str, reset: bool) -> None:
    updates, _ = read(
        f"""
        async def sync(engine: AsyncLLMEngine, state):
            await engine.pause_generation({argument})
            await engine.collective_rpc("load_weights", args=(state,))
            await engine.resume_generation()
        """
    )
    assert [(u.owner, u.is_async, u.paused, u.reset) for u in updates] == [
        ("vllm.AsyncLLMEngine", True, True, reset)
    ]


def test_the_end_of_vllms_own_update_is_the_update() -> None:
    updates, source = read(
        """
        def sync(llm: LLM, requests):
            llm.start_weight_update()
            for request in requests:
                llm.update_weights(request)
            llm.finish_weight_update()
        """
    )
    (update,) = updates
    assert line_of(source, update) == "llm.finish_weight_update()"


def test_what_loads_weights_into_something_else_is_none() -> None:
    updates, _ = read("def sync(model, state):\n    model.load_weights(state.items())\n")
    assert updates == []


def test_a_branch_for_other_versions_is_dead() -> None:
    updates, _ = read(
        """
        import vllm
        from packaging import version

        def sync(llm: LLM, state):
            if version.parse(vllm.__version__) < version.parse("0.9.0"):
                llm.llm_engine.model_executor.driver_worker.model_runner.model.load_weights(state)
            else:
                llm.collective_rpc("load_weights", args=(state,))
        """
    )
    assert [u.dead for u in updates] == [True, False]


@pytest.mark.parametrize("sleeps", [True, False])
def test_an_engine_that_just_woke_up_has_an_empty_cache(sleeps: bool) -> None:
    rest = "def rest(llm: LLM):\n    llm.sleep(level=1)\n" if sleeps else ""
    updates, _ = read(
        "def sync(llm: LLM, path):\n    llm.wake_up()\n"
        "    llm.collective_rpc('load_weights', args=(path,))\n" + rest
    )
    assert [(u.woken, u.reset) for u in updates] == [(True, sleeps)]
