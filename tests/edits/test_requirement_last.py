"""The requirement that says what the code was written for moves after everything that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Safety
from vllm_migrate.rules.rewrite import RewriteResult, rewrite
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

UNSEEDED = """import ray
from vllm import LLM


@ray.remote
class Actor:
    def __init__(self):
        self.llm = LLM("m", swap_space=4)

    def sync(self, weights):
        self.llm.collective_rpc("load_weights", args=(weights,))
"""


def rewritten(folder: Path, code: str, *, write: bool = True) -> RewriteResult:
    (folder / "actor.py").write_text(code)
    (folder / "requirements.txt").write_text("numpy\nvllm==0.8.5\n")
    return rewrite(scan([folder], Config()), unsafe=True, write=write)


def codes(folder: Path) -> list[str]:
    return [finding.code for finding in scan([folder], Config()).findings]


def test_a_requirement_stays_while_a_silent_change_needs_a_person(tmp_path):
    result = rewritten(tmp_path, UNSEEDED)
    assert (tmp_path / "requirements.txt").read_text() == "numpy\nvllm==0.8.5\n"
    assert "swap_space" not in (tmp_path / "actor.py").read_text()
    left = {finding.code: finding for finding in result.remaining}
    assert left["VM901"].safety is Safety.MANUAL
    assert "once the other warnings" in left["VM901"].advice
    assert not result.failed
    assert set(codes(tmp_path)) == set(left)


def test_nothing_is_lost_to_the_next_check(tmp_path):
    before = {finding.code for finding in rewritten(tmp_path, UNSEEDED).remaining}
    assert "VM705" in before
    again = rewrite(scan([tmp_path], Config()), unsafe=True, write=True)
    assert not again.plans
    assert {finding.code for finding in again.remaining} == before


def test_a_plan_says_the_same(tmp_path):
    result = rewritten(tmp_path, UNSEEDED, write=False)
    assert [str(plan.path) for plan in result.plans] == ["actor.py"]
    assert {f.safety for f in result.remaining if f.code == "VM901"} == {Safety.MANUAL}


def test_it_moves_once_the_rest_is_mended(tmp_path):
    result = rewritten(tmp_path, UNSEEDED.replace("swap_space=4", "seed=3"))
    assert (tmp_path / "requirements.txt").read_text() == "numpy\nvllm==0.32.0\n"
    assert not [finding for finding in result.remaining if finding.code == "VM901"]


def test_it_moves_once_the_rest_is_silenced(tmp_path):
    code = UNSEEDED.replace("swap_space=4)", "swap_space=4)  # vllm-migrate: ignore[VM705] one actor")
    rewritten(tmp_path, code)
    assert (tmp_path / "requirements.txt").read_text() == "numpy\nvllm==0.32.0\n"
