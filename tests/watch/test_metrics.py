from __future__ import annotations

import pytest
from made import DATA

from vllm_migrate.errors import UsageError
from vllm_migrate.watch.find import open_runs
from vllm_migrate.watch.metrics import asked_for, by_word, frameworks, own_names, word_for, words


def test_every_name_stands_for_a_word_that_is_described():
    for framework in frameworks():
        assert framework.source
        assert set(framework.names.values()) <= words().keys()


def test_words_say_their_unit_and_direction():
    for word in words().values():
        assert word.unit in ("nats", "share", "tokens", "steps", "")
        assert word.wanted in ("up", "down", "")
        assert word.meaning
        assert not word.meaning.endswith(".")
    assert {"clip_rate", "kl_old", "kl_ref", "entropy", "reward"} <= {
        w.name for w in words().values() if w.judged
    }


@pytest.mark.parametrize(
    ("names", "word", "theirs"),
    [
        (["train/kl", "train/reward"], "kl_ref", "train/kl"),
        (["actor/ppo_kl"], "kl_old", "actor/ppo_kl"),
        (["train/ppo_kl", "train/kl"], "kl_old", "train/ppo_kl"),
        (["rl/kl_new_old"], "kl_old", "rl/kl_new_old"),
        (["train/gen_kl_error"], "mismatch_kl", "train/gen_kl_error"),
        (["train/train_rollout_logprob_abs_diff"], "mismatch_logp", "train/train_rollout_logprob_abs_diff"),
        (["mismatch_kl/all/mean"], "mismatch_kl", "mismatch_kl/all/mean"),
        (["clip_ratio/region_mean", "clip_ratio"], "clip_rate", "clip_ratio/region_mean"),
        (["my/own"], "my/own", "my/own"),
        (["train/my"], "my", "train/my"),
    ],
)
def test_names_of_frameworks_are_known(names: list[str], word: str, theirs: str):
    assert by_word(names, {})[word] == theirs


def test_a_second_name_of_a_word_is_no_metric_of_its_own():
    assert by_word(["clip_ratio/region_mean", "clip_ratio"], {}) == {"clip_rate": "clip_ratio/region_mean"}


def test_the_users_names_come_first():
    own = own_names(["my/clipped=clip_rate"])
    assert by_word(["my/clipped", "clip_ratio"], own)["clip_rate"] == "my/clipped"
    assert own_names(["a=b=c"]) == {"a=b": "c"}


@pytest.mark.parametrize("pair", ["clip", "=x", "x=", "="])
def test_a_pair_that_is_none_is_refused(pair: str):
    with pytest.raises(UsageError):
        own_names([pair])


def test_a_metric_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError) as caught:
        asked_for(["clip_rate", "reward"], ["clip_rte"])
    assert "'clip_rate'" in caught.value.hint


def test_trls_own_log_has_the_words_that_matter():
    (log,) = open_runs([str(DATA / "trl")])
    log.update()
    found = by_word(log.run("run").series, {})
    assert {"clip_rate", "kl_ref", "entropy", "reward", "length", "truncated", "grad_norm"} <= found.keys()


def test_a_word_that_is_none_stands_for_itself():
    assert word_for("my/own").label == "my/own"
