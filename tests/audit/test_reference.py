"""What a recorded reference is refused for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan
from recorded import HASHES, SAMPLES, SAMPLING, candidate, reference

from vllm_migrate.audit.reference import check_reference
from vllm_migrate.errors import UsageError
from vllm_migrate.prompts.files import PromptLine
from vllm_migrate.trace.redact import redacted


def plan(**changes):
    recorded = {
        "prompts": (),
        "sampling": SAMPLING,
        "samples": SAMPLES,
        "reference": Path("r.parquet"),
    }
    return a_plan(**{**recorded, **changes})


def lines(trace):
    return tuple(PromptLine(prompt.text, (), prompt.columns) for prompt in trace.prompts)


def test_the_reference_that_was_asked_for():
    trace = reference()
    check_reference(plan(), trace, HASHES)
    check_reference(plan(prompts=lines(trace), seed=7), trace, HASHES)
    check_reference(replace(plan(), allow_expired=True), reference(days=1), HASHES)


@pytest.mark.parametrize(
    ("hashes", "says"),
    [
        ({"weights": "x"}, "recorded with other weights: SHA-256 weights instead of x"),
        ({"tokenizer": "x"}, "recorded with another tokenizer: SHA-256 tokenizer instead of x"),
        ({"chat_template": "x"}, "recorded with another chat template: SHA-256 template instead of x"),
        ({"chat_template": ""}, "recorded with a chat template that --model does not have"),
        ({"model": "x"}, "recorded with another model or configuration"),
    ],
)
def test_the_part_of_the_checkpoint_that_differs_is_named(hashes, says):
    with pytest.raises(UsageError, match=says):
        check_reference(plan(), reference(), replace(HASHES, **hashes))


def test_a_template_that_came_later():
    trace = reference()
    bare = replace(trace, provenance=replace(trace.provenance, chat_template=""))
    with pytest.raises(UsageError, match="recorded with no chat template"):
        check_reference(plan(), bare, HASHES)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampling": replace(SAMPLING, temperature=0.8)}, "temperature=0.7, not 0.8"),
        ({"sampling": replace(SAMPLING, top_p=1.0)}, "top_p=0.9, not 1.0"),
        ({"samples": 1}, "--samples 2, not 1"),
        ({"prompts": (PromptLine("another"),)}, "--prompts differ"),
    ],
)
def test_other_settings_are_named(changes, says):
    with pytest.raises(UsageError, match=says):
        check_reference(plan(**changes), reference(), HASHES)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (redacted, "is redacted"),
        (candidate, "a candidate's replay"),
        (lambda trace: replace(trace, noise_floor=()), "no noise floor"),
        (
            lambda trace: replace(trace, provenance=replace(trace.provenance, expires="2026-01-01")),
            "expired on 2026-01-01",
        ),
    ],
)
def test_traces_that_can_not_serve(make, says):
    with pytest.raises(UsageError, match=says) as caught:
        check_reference(plan(), make(reference()), HASHES)
    assert "\n" not in caught.value.message


def test_conversations_are_compared_as_they_were_given():
    trace = reference()
    said = ({"role": "user", "content": "1+1?"},)
    kept = replace(trace, prompts=tuple(replace(prompt, messages=said) for prompt in trace.prompts))
    asked = tuple(PromptLine("", (), prompt.columns, said) for prompt in trace.prompts)
    check_reference(plan(prompts=asked), kept, HASHES)
    other = tuple(replace(line, template_arguments={"tools": []}) for line in asked)
    with pytest.raises(UsageError, match="--prompts differ"):
        check_reference(plan(prompts=other), kept, HASHES)
