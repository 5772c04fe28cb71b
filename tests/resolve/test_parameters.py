"""What a parameter stands for follows from the calls in the same file."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.facts.model import Target
from vllm_migrate.files.located import Certainty
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

TARGET = Target("vllm", Version("0.32.0"))


def read(code: str) -> FileFacts:
    return read_python(PurePosixPath("pkg/train.py"), dedent(code).encode(), None, TARGET)


def generate(facts: FileFacts) -> list[Certainty]:
    return [call.certainty for call in facts.calls if call.target == "vllm.LLM.generate"]


def test_a_function_called_with_an_engine_has_one():
    facts = read(
        """
        from vllm import LLM

        def rollout(params, engine, ids):
            return engine.generate(prompt_token_ids=ids, sampling_params=params)

        def main(params, ids):
            engine = LLM("m")
            return rollout(params, engine, ids) or rollout(params, ids=ids, engine=engine)
        """
    )
    assert generate(facts) == [Certainty.LIKELY]


def test_a_method_called_with_an_engine_has_one():
    facts = read(
        """
        from vllm import LLM

        class Trainer:
            def train(self):
                self.sample(LLM("m"), 1)

            def sample(self, worker, count):
                return worker.generate(count)
        """
    )
    assert generate(facts) == [Certainty.LIKELY]


def test_callers_that_disagree_make_it_a_guess():
    facts = read(
        """
        from transformers import AutoModel
        from vllm import LLM

        def rollout(model, ids):
            return model.generate(prompt_token_ids=ids)

        rollout(LLM("m"), [1])
        rollout(AutoModel.from_pretrained("m"), [1])
        """
    )
    assert generate(facts) == [Certainty.GUESS]


def test_none_from_a_caller_says_nothing():
    facts = read(
        """
        from vllm import LLM

        def rollout(worker=None):
            return worker.generate([1]) if worker else None

        rollout(None)
        rollout(LLM("m"))
        """
    )
    assert generate(facts) == [Certainty.LIKELY]


def test_behind_a_starred_argument_nothing_is_known():
    facts = read(
        """
        from vllm import LLM

        def rollout(ids, worker):
            return worker.generate(ids)

        rollout(*[[1]], LLM("m"))
        """
    )
    assert generate(facts) == []


def test_another_function_of_that_name_does_not_count():
    facts = read(
        """
        from vllm import LLM

        def rollout(worker):
            return worker.generate([1])

        def main():
            def rollout(engine):
                return None

            return rollout(LLM("m"))
        """
    )
    assert generate(facts) == []


def test_a_function_that_calls_itself_ends():
    facts = read(
        """
        from vllm import LLM

        def rollout(worker, depth):
            return rollout(worker, depth - 1) if depth else worker.generate([1])

        rollout(LLM("m"), 3)
        """
    )
    assert generate(facts) == [Certainty.LIKELY]
