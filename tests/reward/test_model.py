"""A reward model in real processes: a checkpoint trained for three steps, by transformers and by engines."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vllm_migrate.engines import registry
from vllm_migrate.errors import InputError, UsageError
from vllm_migrate.reward import model as module
from vllm_migrate.reward import served as by
from vllm_migrate.reward.examine import examine
from vllm_migrate.reward.model import model_scorer
from vllm_migrate.reward.outcome import Outcome
from vllm_migrate.reward.sample import Sample

TRAIN = Path(__file__).resolve().parents[2] / "benchmarks" / "rewards" / "models" / "train.py"
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
SAMPLES = [
    Sample(prompt=f"How many {noun} are in the house?\n", completion=f"{words}Answer: {number}", group=group)
    for group, noun in enumerate(("lamps", "chairs", "doors"))
    for number, words in ((1, ""), (7, "Then we look around again. "), (9, "By the way. "))
]


def test_a_directory_without_a_model_is_said_to_be_none(tmp_path):
    scorer = module.ModelScorer(tmp_path, None)  # type: ignore[arg-type] - it is not started
    with pytest.raises(InputError, match=r"config\.json is missing"):
        scorer.score(SAMPLES)


def test_a_conversation_ends_with_the_completion():
    asked = Sample(prompt="2+2?", completion="4", messages=({"role": "user", "content": "2+2?"},))
    request = module._request([asked, Sample(prompt="a", completion="b")], 8)
    assert request.messages == [
        [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}],
        [],
    ]
    assert request.texts == ["2+2?4", "ab"]


def _engine(name):
    engine = registry.find(name)
    if engine is None:
        pytest.skip(f"engine {name} is not installed: vllm-migrate engines install {name}")
    return engine


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    python = _engine("v1").python
    folder = tmp_path_factory.mktemp("checkpoint")
    command = [str(python), "-B", str(TRAIN), "balanced", "--steps", "3", "--output", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.engine
def test_transformers_scores_alone_and_in_batches_alike(checkpoint):
    with model_scorer(checkpoint, transformers="v1") as scorer:
        together = [score.value for score in scorer.score(SAMPLES)]
        alone = [score.value for score in scorer.score(SAMPLES, batch=1)]
        assert len(set(together)) == len(SAMPLES)
        assert alone == pytest.approx(together, abs=1e-5)
        long = SAMPLES[0].with_completion("word " * 3000)
        scores = scorer.score([long, SAMPLES[0]])
        assert (scores[0].value, scores[0].fault) == (None, "")
        assert "the longest has" in scorer.notes[0]
        assert scores[1].value == pytest.approx(together[0], abs=1e-5)
        ended = SAMPLES[0].with_completion(SAMPLES[0].completion + "<|endoftext|>")  # which is padding, too
        assert scorer.score([ended])[0].value == pytest.approx(together[0], abs=1e-5)
        assert "LABEL_0" in scorer.open().said[0]


@pytest.mark.engine
def test_a_model_with_several_labels_wants_one_named(checkpoint, tmp_path):
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((checkpoint / "config.json").read_text())
    config |= {"id2label": {"0": "bad", "1": "good"}, "label2id": {"bad": 0, "good": 1}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(_with_two_labels(checkpoint / "model.safetensors"))
    with (
        model_scorer(tmp_path, transformers="v1") as scorer,
        pytest.raises(UsageError, match="2 labels: 0 bad, 1 good"),
    ):
        scorer.score(SAMPLES)
    with model_scorer(tmp_path, transformers="v1", label=1) as scorer:
        good = [score.number for score in scorer.score(SAMPLES)]
    with model_scorer(checkpoint, transformers="v1") as scorer:
        only = [score.number for score in scorer.score(SAMPLES)]
    assert good == pytest.approx([-value for value in only], abs=1e-5)


def _with_two_labels(file):
    """The checkpoint with a second row in its head, the first one's opposite."""
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    begin, end = header["score.weight"]["data_offsets"]
    row = np.frombuffer(body[begin:end], dtype=np.float32)
    both = np.concatenate([row, -row]).tobytes()
    names = {name: entry for name, entry in header.items() if name != "__metadata__"}
    tensors = {
        name: both if name == "score.weight" else body[slice(*entry["data_offsets"])]
        for name, entry in names.items()
    }
    at = 0
    for name, tensor in tensors.items():
        header[name]["data_offsets"] = [at, at + len(tensor)]
        at += len(tensor)
    header["score.weight"]["shape"] = [2, len(row)]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


@pytest.mark.engine
def test_both_engines_differ_as_their_defaults_do(checkpoint):
    _engine("v0")
    with model_scorer(checkpoint, v0="v0", v1="v1") as scorer:
        report = examine(scorer, SAMPLES, reward="tiny", kind="model", select=("engines",))
        served = {(one.side, one.way): one for one in scorer.served(SAMPLES)}
    logits = served[by.REFERENCE, by.DEFAULT].rewards
    assert set(served[by.V0, by.DEFAULT].rewards) == {1.0}
    np.testing.assert_allclose(served[by.V0, by.BARE].rewards, logits, atol=5e-3)
    np.testing.assert_allclose(served[by.V1, by.DEFAULT].rewards, 1 / (1 + np.exp(-logits)), atol=2e-3)
    np.testing.assert_allclose(served[by.V1, by.BARE].rewards, logits, atol=5e-3)
    assert len({one.digests for one in served.values() if one.way == by.DEFAULT}) == 1
    assert {one.name for one in report.engines} >= {served[by.V0, by.DEFAULT].server}
    check = next(check for check in report.checks if check.probe == "engines")
    assert check.outcome is Outcome.FAIL
    assert "softmax to one label" in check.message


@pytest.mark.engine
def test_the_settings_that_are_advised_restore_parity(checkpoint):
    _engine("v0")
    with model_scorer(
        checkpoint,
        v0="v0",
        v1="v1",
        v0_args={"override_pooler_config": {"softmax": False}},
        v1_args={"pooler_config": {"use_activation": False}},
    ) as scorer:
        report = examine(scorer, SAMPLES, reward="tiny", kind="model", select=("engines",))
    check = next(check for check in report.checks if check.probe == "engines")
    assert check.outcome is Outcome.PASS
