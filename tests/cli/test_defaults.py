"""Defaults that reach an engine: the call is mended, and the place the value lives at is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "from dataclasses import asdict, dataclass\nfrom vllm import LLM\n\n\n@dataclass\nclass Config:\n"
CONFIG += '    model: str = "m"\n    swap_space: int = 4\n    rollouts: int = 8\n\n\n'
AT_THE_CALL = "def build(c: Config):\n    return LLM(c.model, swap_space=c.swap_space)\n"
AS_A_WHOLE = "def build(c: Config):\n    return LLM(**asdict(c))\n"


def test_both_places_are_said_and_the_call_is_edited(run, project: Path) -> None:
    (project / "a.py").write_text(CONFIG + AT_THE_CALL)
    out = run("check", ".", "--select", "VM2").out
    assert "a.py:13:25  VM201 gone-engine-argument  [safe]" in out
    assert "a.py:8:5  VM201 gone-engine-argument  [manual]" in out
    assert run("rewrite", ".", "--allow-dirty", "--select", "VM2").code == 0
    assert (project / "a.py").read_text() == CONFIG + AT_THE_CALL.replace(", swap_space=c.swap_space", "")
    assert run("check", ".", "--select", "VM2").code == 0


def test_a_field_that_only_the_engine_reads_goes_on_request(run, project: Path) -> None:
    (project / "a.py").write_text(CONFIG + AS_A_WHOLE)
    assert "a.py:8:5  VM201 gone-engine-argument  [unsafe]" in run("check", ".", "--select", "VM2").out
    done = run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM2")
    assert done.code == 0
    without = CONFIG.replace("    swap_space: int = 4\n", "")
    assert (project / "a.py").read_text() == without + AS_A_WHOLE


def test_a_field_that_others_set_is_left_to_a_person(run, project: Path) -> None:
    code = CONFIG + AS_A_WHOLE + "\n\nengine = build(Config(swap_space=0))\n"
    (project / "a.py").write_text(code)
    done = run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM2")
    assert done.code == 1
    assert "a.py:8:5  VM201 gone-engine-argument  [manual]" in done.out
    assert "remove swap_space" in done.out
    assert "rollouts" not in done.out
    assert (project / "a.py").read_text() == code
