from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import samples

from vllm_migrate.config import Config, load_config
from vllm_migrate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FULL = """\
[tool.vllm-migrate]
target = "0.18.1"
from = "v0@0.8.5"
recipe = "fast"
select = ["VM2"]
ignore = ["VM9"]
exclude = ["old/"]
fail-on = "error"
unsafe-fixes = true

[tool.vllm-migrate.audit]
model = "m"
v1-args = {seed = 1}
"""


def test_everything(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(FULL)
    (tmp_path / "sub").mkdir()
    config = load_config(tmp_path / "sub")
    assert (config.target, config.source, config.recipe) == ("0.18.1", "v0@0.8.5", "fast")
    assert (config.select, config.ignore, config.exclude) == (("VM2",), ("VM9",), ("old/",))
    assert (config.fail_on, config.unsafe_fixes, config.root) == ("error", True, tmp_path)
    assert (config.audit.model, config.audit.v1_args) == ("m", {"seed": 1})


def test_the_nearest_file_with_the_table_decides(tmp_path: Path) -> None:
    (tmp_path / "vllm-migrate.toml").write_text('target = "0.18.1"\n')
    (tmp_path / "a").mkdir()
    (tmp_path / "a/pyproject.toml").write_text("[project]\nname = 'vllm-migrate-user'\n")
    (tmp_path / "a/x.py").write_text("")
    assert load_config(tmp_path / "a/x.py").target == "0.18.1"
    (tmp_path / "a/vllm-migrate.toml").write_text('target = "0.32.0"\n')
    assert load_config(tmp_path / "a/x.py").target == "0.32.0"


def test_without_a_file(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("selct = []", "unknown key 'selct'"),
        ("unsafe_fixes = true", "unknown key 'unsafe_fixes'"),
        ("select = 'VM2'", "select must be a list of strings"),
        ("select = [1]", "select must be a list of strings"),
        ("fail-on = 'loud'", "fail-on must be one of error, warning, note"),
        ("unsafe-fixes = 'yes'", "unsafe-fixes must be true or false"),
        ("[audit]\nmodle = 'x'", "unknown key 'audit.modle'"),
        ("[audit]\nmodel = 1", "audit.model must be a string"),
        ("[reward]\nrolouts = 'x'", "unknown key 'reward.rolouts'"),
        ("[reward]\nrollouts = 1", "reward.rollouts must be a string"),
        ("[reward]\nfunction = 1", "reward.function must be a string or a list of strings"),
        ("[reward]\nselect = 'length'", "reward.select must be a list of strings"),
        ("[reward]\nlimits = { length = 1 }", "reward.limits must be a table of tables"),
        ("reward = 1", "reward must be a table"),
        ("x = [", "not valid TOML"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "vllm-migrate.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    if "unknown key" in message:
        assert caught.value.hint.startswith("did you mean")


def test_the_command_line_wins(run, project: Path) -> None:
    (project / "vllm-migrate.toml").write_text('target = "0.18.1"\nignore = ["VM2"]\nfrom = "0.8.4"\n')
    (project / "a.py").write_text(samples.SAFE)
    value = json.loads(run("check", "--output-format", "json").out)
    assert (value["target"]["version"], value["source"]["version"], value["findings"]) == (
        "0.18.1",
        "0.8.4",
        [],
    )
    done = run("check", "--output-format", "json", "--to", "0.32.0", "--from", "0.8.5", "--ignore", "VM9")
    value = json.loads(done.out)
    assert (value["target"]["version"], value["source"]["version"]) == ("0.32.0", "0.8.5")
    assert len(value["findings"]) == 1


@pytest.mark.parametrize(
    ("files", "version", "origin", "engine"),
    [
        ({"requirements.txt": "vllm==0.7.3\n"}, "0.7.3", "requirements.txt:1", "unknown"),
        (
            {"requirements.txt": "\nvllm>=0.8.2,<0.9\n", "b.sh": "export VLLM_USE_V1=0\n"},
            "0.8.2", "requirements.txt:2", "v0",
        ),
        (
            {"uv.lock": '[[package]]\nname = "vllm"\nversion = "0.8.4"\n', "requirements.txt": "vllm>=0.6\n"},
            "0.8.4", "uv.lock", "unknown",
        ),
        ({"run.sh": "export VLLM_USE_V1=1\n"}, "0.8.5", "assumed", "v1"),
        ({"a.py": "from vllm.worker.worker import Worker\n"}, "0.8.5", "assumed", "v0"),
    ],
)  # fmt: skip
def test_where_the_code_comes_from(  # noqa: PLR0917 - a table's row
    run, project: Path, files: dict[str, str], version: str, origin: str, engine: str
) -> None:
    for name, text in files.items():
        (project / name).write_text(text)
    source = json.loads(run("check", "--output-format", "json").out)["source"]
    assert (source["version"], source["origin"], source["engine"]) == (version, origin, engine)
