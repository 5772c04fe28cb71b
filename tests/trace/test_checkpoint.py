from __future__ import annotations

import json

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.trace.checkpoint import hash_checkpoint, read_vocabulary, show_token


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_the_digest_sees_weights_configuration_and_names(model):
    first = hash_checkpoint(model)
    assert first == hash_checkpoint(model)
    (model / "README.md").write_text("does not matter")
    assert first == hash_checkpoint(model)
    (model / "model.safetensors").write_bytes(b"weightz")
    second = hash_checkpoint(model)
    (model / "model.safetensors").rename(model / "other.safetensors")
    third = hash_checkpoint(model)
    (model / "config.json").write_text('{"a": 1}')
    assert len({first, second, third, hash_checkpoint(model)}) == 4


def test_a_directory_without_a_model(tmp_path):
    with pytest.raises(InputError, match="no model at"):
        hash_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no model at"):
        hash_checkpoint(tmp_path / "absent")


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "<e>"}]}, {0: "a", 1: "<e>"}),
        ({"model": {"vocab": [["x", -1.0], ["y", -2.0]]}}, {0: "x", 1: "y"}),
        ({"model": {}}, {}),
        ([], {}),
    ],
)
def test_vocabularies(tmp_path, tokenizer, expected):
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert read_vocabulary(tmp_path) == expected


def test_no_tokenizer_shows_ids(tmp_path):
    assert read_vocabulary(tmp_path) == {}
    assert show_token({}, 7) == "#7"
    assert show_token({7: "\u0120the"}, 7) == " the"
