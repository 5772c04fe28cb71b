"""Divergence by kind of prompt: what each band holds, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import a_plan

from vllm_migrate.audit.decide.extend import merged
from vllm_migrate.audit.evidence import EngineRun, Evidence
from vllm_migrate.audit.figures.strata import MOST_PREFIXES, measure_strata
from vllm_migrate.audit.provenance import provenance_of
from vllm_migrate.prompts.strata import labelled
from vllm_migrate.trace.model import Prompt, Trace
from vllm_migrate.workers.protocol import Loaded

TOKENS = 50


def prompts_of(*ids):
    return labelled([Prompt(n, "", tuple(tokens)) for n, tokens in enumerate(ids)], 2)


def measured(prompts, noise):
    """Bands over 50 tokens a prompt whose differences are of the size `noise` gives that prompt."""
    generator = np.random.default_rng(0)
    sizes = np.repeat([noise(prompt) for prompt in prompts], TOKENS)
    sampler = -generator.exponential(size=len(sizes))
    other = sampler + sizes * generator.choice([-1.0, 1.0], len(sizes))
    of_token = np.repeat([prompt.id for prompt in prompts], TOKENS)
    return sampler, other, of_token, measure_strata(sampler, other, of_token, prompts)


def test_long_prompts_that_differ_stand_apart_from_short_ones_that_do_not():
    prompts = prompts_of(*(range(100 * n, 100 * n + 2 + n) for n in range(10)))
    *_, bands = measured(prompts, lambda prompt: 0.1 if len(prompt.token_ids) > 6 else 0.001)
    assert [(band.by, band.label, band.tokens) for band in bands] == [
        ("stratum", "2-6 tokens", 5 * TOKENS),
        ("stratum", "7-11 tokens", 5 * TOKENS),
    ]
    assert bands[0].mean_abs.value == pytest.approx(0.001)
    assert bands[1].mean_abs.value == pytest.approx(0.1)
    assert bands[1].k2.value == pytest.approx(0.005)
    assert (bands[0].low, bands[0].high, bands[1].low) == (2.0, 7.0, 7.0)


def test_an_interval_is_over_the_stratums_own_prompts():
    prompts = prompts_of(*(range(100 * n, 100 * n + 2) for n in range(40)), *((n, 9, 9) for n in range(4)))
    *_, bands = measured(prompts, lambda prompt: 0.02 + 0.01 * (prompt.id % 2))
    few = bands[-1]
    assert few.mean_abs.value == pytest.approx(0.025)
    assert 0 < few.mean_abs.low < 0.02
    assert 0.03 < few.mean_abs.high < 0.1
    assert bands[0].mean_abs.high - bands[0].mean_abs.low < 0.005


def test_prompts_that_begin_alike_have_a_row_and_the_others_one_together():
    begins = [range(16), range(16), range(20, 36), range(20, 36), range(40, 56), range(60, 76)]
    prompts = prompts_of(*((*begin, n) for n, begin in enumerate(begins)))
    *_, bands = measured(prompts, lambda prompt: 0.1 if prompt.group == 0 else 0.01)
    assert [(band.label, band.tokens) for band in bands if band.by == "prefix"] == [
        ("prefix of prompts 0, 1", 2 * TOKENS),
        ("prefix of prompts 2, 3", 2 * TOKENS),
        ("shared with none, 2 prompts", 2 * TOKENS),
    ]
    assert bands[0].mean_abs.value == pytest.approx(0.1)
    assert not [band for band in bands if band.by == "stratum"]  # all prompts have 17 tokens


def test_many_prefixes_do_not_make_a_long_table():
    prompts = prompts_of(*((*range(100 * (n // 2), 100 * (n // 2) + 16), n) for n in range(24)))
    *_, bands = measured(prompts, lambda _: 0.01)
    assert len(bands) == MOST_PREFIXES + 1
    assert bands[-1].label == f"{12 - MOST_PREFIXES} other prefixes, 8 prompts"
    assert sum(band.tokens for band in bands) == 24 * TOKENS


def test_tokens_outside_support_are_left_out_and_one_prompt_has_no_interval():
    prompts = prompts_of((1,), (2,), (1, 2, 3))
    sampler, other, of_token, _ = measured(prompts, lambda _: 0.01)
    other[-1] = -np.inf
    bands = measure_strata(sampler, other, of_token, prompts)
    assert bands[1].tokens == TOKENS - 1
    assert (bands[1].mean_abs.low, bands[1].mean_abs.high) == (None, None)
    other[-TOKENS:] = -np.inf
    assert measure_strata(sampler, other, of_token, prompts) == ()  # one stratum is left, and says nothing
    assert measure_strata(sampler[:0], other[:0], of_token[:0], prompts) == ()


def test_looks_at_more_prompts_label_all_of_them_anew():
    """Numbers of prefixes begin at 0 in every look; joined they would name different prefixes alike."""
    one, two = (
        prompts_of((*range(16), 1), (*range(16), 2)),
        prompts_of((*range(50, 66), 1), (*range(50, 66), 2)),
    )
    loaded = Loaded("", "", "", {}, 0.0)
    made = provenance_of(a_plan(), EngineRun("reference", "v0", {}, loaded))
    evidence = merged(Evidence(Trace(made, one, ()), {}), Evidence(Trace(made, two, ()), {}))
    assert [prompt.group for prompt in evidence.trace.prompts] == [0, 0, 1, 1]
    longer = tuple(replace(prompt, token_ids=(*prompt.token_ids, 3)) for prompt in two)
    evidence = merged(Evidence(Trace(made, one, ()), {}), Evidence(Trace(made, longer, ()), {}))
    assert {prompt.stratum for prompt in evidence.trace.prompts} == {"17-18 tokens"}
