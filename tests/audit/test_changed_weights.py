"""The checkpoint with a known small change: what is changed, by how much, and what is refused."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from vllm_migrate.audit.sync.changed_weights import from_bfloat16, to_bfloat16, weight_bytes, write_changed
from vllm_migrate.errors import InputError, UsageError

MODEL = Path(__file__).resolve().parents[2] / "fixtures" / "model"


def write(path, tensors):
    """A safetensors file from names to (dtype, bytes)."""
    header, body = {}, b""
    for name, (dtype, raw, shape) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def read(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    begin = 8 + length
    return {
        name: raw[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]]
        for name, entry in header.items()
        if name != "__metadata__"
    }


def checkpoint(tmp_path, tensors):
    model, target = tmp_path / "model", tmp_path / "changed"
    model.mkdir()
    target.mkdir()
    (model / "config.json").write_text("{}")
    write(model / "model.safetensors", tensors)
    return model, target


def test_bfloat16_rounds_to_nearest_even():
    values = np.array([1.0, 1.0 + 2**-8, 1.0 + 3 * 2**-8, 1.0 + 2**-9, -2.5, 0.0], dtype=np.float32)
    back = from_bfloat16(to_bfloat16(values))
    assert back.tolist() == [1.0, 1.0, 1.0 + 2**-6, 1.0, -2.5, 0.0]


def test_every_bfloat16_survives_the_round_trip():
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits[np.isfinite(from_bfloat16(bits))]
    assert np.array_equal(to_bfloat16(from_bfloat16(finite)), finite)


@pytest.mark.parametrize(("dtype", "kind"), [("F32", "<f4"), ("F16", "<f2")])
def test_change_is_the_stated_share_of_the_spread(tmp_path, dtype, kind):
    old = np.random.default_rng(1).normal(0.3, 2.0, 50_000).astype(kind)
    model, target = checkpoint(tmp_path, {"w": (dtype, old.tobytes(), [50_000])})
    assert write_changed(model, target, seed=0, noise=0.05) == 1
    new = np.frombuffer(read(target / "model.safetensors")["w"], dtype=kind)
    change = new.astype(np.float64) - old.astype(np.float64)
    assert np.isclose(change.std(), 0.1, rtol=0.02)
    assert abs(change.mean()) < 0.002


def test_same_seed_same_bytes_and_other_seed_other_bytes(tmp_path):
    files = []
    for number, seed in enumerate((0, 0, 1)):
        target = tmp_path / str(number)
        target.mkdir()
        write_changed(MODEL, target, seed=seed)
        files.append((target / "model.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_real_checkpoint_keeps_its_layout_and_its_other_files(tmp_path):
    changed = write_changed(MODEL, tmp_path, seed=0)
    old, new = read(MODEL / "model.safetensors"), read(tmp_path / "model.safetensors")
    assert old.keys() == new.keys()
    zeros = {name for name, raw in old.items() if not any(raw)}  # untrained biases
    assert {name for name in old if old[name] == new[name]} == zeros
    assert changed == len(old) - len(zeros) > len(zeros)
    assert all(len(old[name]) == len(new[name]) for name in old)
    assert (tmp_path / "config.json").read_bytes() == (MODEL / "config.json").read_bytes()
    assert (tmp_path / "tokenizer.json").is_file()
    assert weight_bytes(tmp_path) == weight_bytes(MODEL)


def test_tensors_of_other_types_are_copied(tmp_path):
    ids = np.arange(100, dtype="<i8").tobytes()
    weights = np.ones(10, dtype="<f4").tobytes()
    model, target = checkpoint(tmp_path, {"ids": ("I64", ids, [100]), "norm": ("F32", weights, [10])})
    assert write_changed(model, target, seed=0) == 1
    new = read(target / "model.safetensors")
    assert new["ids"] == ids
    assert new["norm"] != weights  # all equal, so there is no spread: changed by a share of the value


def test_pieces_join(tmp_path, monkeypatch):
    monkeypatch.setattr("vllm_migrate.audit.sync.changed_weights._PIECE", 7)
    old = np.random.default_rng(1).normal(size=100).astype("<f4")
    model, target = checkpoint(tmp_path, {"w": ("F32", old.tobytes(), [100])})
    write_changed(model, target, seed=0, noise=0.5)
    new = np.frombuffer(read(target / "model.safetensors")["w"], dtype="<f4")
    assert np.count_nonzero(new != old) == 100
    assert 0.3 < (new - old).std() / old.std() < 0.7


def test_no_safetensors_is_refused(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "new").mkdir()
    with pytest.raises(UsageError, match="no safetensors"):
        write_changed(tmp_path / "model", tmp_path / "new", seed=0)


def test_no_room_is_refused(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UsageError, match="not free"):
        write_changed(MODEL, tmp_path, seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [b"", b"\x00" * 4, b"\xff" * 64, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 5) + b'{"a":'],
    ids=["empty", "short", "huge-header", "no-object", "cut-json"],
)
def test_damaged_file_is_refused(tmp_path, damage):
    model, target = checkpoint(tmp_path, {})
    (model / "model.safetensors").write_bytes(damage)
    with pytest.raises(InputError, match="no safetensors file"):
        write_changed(model, target, seed=0)


def test_tensor_outside_the_file_is_refused(tmp_path):
    model, target = checkpoint(tmp_path, {"w": ("F32", b"\0" * 40, [10])})
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="no safetensors file"):
        write_changed(model, target, seed=0)
