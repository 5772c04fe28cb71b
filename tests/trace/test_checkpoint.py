from __future__ import annotations

import json

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.trace.checkpoint import hash_checkpoint, hash_parts, read_vocabulary, show_token


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


@pytest.mark.parametrize(
    ("file", "content", "moved"),
    [
        ("model.safetensors", "other", {"weights"}),
        ("tokenizer.json", "{}", {"tokenizer"}),
        ("tokenizer_config.json", '{"bos_token": "<s>"}', {"tokenizer"}),
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}', {"chat_template"}),
        ("chat_template.jinja", "{{ messages }}", {"chat_template"}),
        ("chat_template.json", '{"chat_template": "{{ messages }}"}', {"chat_template"}),
        ("config.json", '{"a": 1}', set()),
    ],
)
def test_each_part_has_a_digest_of_its_own(model, file, content, moved):
    (model / "tokenizer_config.json").write_text("{}")
    before = hash_parts(model)
    (model / file).write_text(content)
    after = hash_parts(model)
    names = ("weights", "tokenizer", "chat_template")
    assert {name for name in names if getattr(before, name) != getattr(after, name)} - moved == set()
    assert all(getattr(before, name) != getattr(after, name) for name in moved)
    assert before.model != after.model


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "rng_state_0.pth", "training_args.bin", "trainer_state.json"]
)
def test_what_a_trainer_leaves_there_is_no_part_of_the_model(model, name):
    before = hash_parts(model)
    (model / name).write_bytes(b"steps")
    assert hash_parts(model) == before


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
