"""Classes of vLLM's that are replaced, patched, or derived from more than once: what is said to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.edits.model import Finding

WORKER = (
    "import vllm\nfrom vllm.worker.worker import Worker\n\n\nclass Sync(Worker):\n    def update(self): ...\n"
)


def _found(folder: Path, source: str, code: str) -> list[Finding]:
    (folder / "own.py").write_text(source, encoding="utf-8")
    return [one for one in scan([folder], Config(target="0.32.0")).findings if one.code == code]


def test_a_worker_that_is_swapped_is_an_argument_of_the_engine(tmp_path: Path) -> None:
    source = "import vllm\nfrom own.workers import Mine\n\nvllm.worker.worker.Worker = Mine\n"
    [finding] = _found(tmp_path, source, "VM101")
    assert "worker_extension_cls=" in finding.advice
    assert "worker_cls=" in finding.advice
    assert "import" not in finding.advice


def test_another_class_is_assigned_to_where_it_is_now(tmp_path: Path) -> None:
    source = "import vllm\nfrom own import Mine\n\nvllm.sequence.Logprob = Mine\n"
    [finding] = _found(tmp_path, source, "VM101")
    assert finding.advice.startswith("import vllm.logprobs and assign to vllm.logprobs.Logprob")


def test_a_class_in_a_line_is_reported_with_its_first_one(tmp_path: Path) -> None:
    source = f"{WORKER}\n\nclass Further(Sync):\n    def more(self): ...\n"
    [finding] = _found(tmp_path, source, "VM502")
    assert finding.message.startswith("Sync ")
    assert finding.safety is Safety.UNSAFE


def test_what_a_further_class_asks_of_the_worker_keeps_the_base(tmp_path: Path) -> None:
    source = f"{WORKER}\n\nclass Further(Sync):\n    def more(self):\n        super()._init_cache_engine()\n"
    [finding] = _found(tmp_path, source, "VM502")
    assert finding.safety is Safety.MANUAL
    assert "Further, derived from it" in finding.advice
    assert not finding.edits


def test_a_patched_class_that_moved_is_patched_at_its_new_place(tmp_path: Path) -> None:
    source = (
        "from vllm.entrypoints.openai.tool_parsers import ToolParserManager\n\n\n"
        "def get(name):\n    return None\n\n\n"
        "ToolParserManager.get_tool_parser = get\nToolParserManager.no_more = get\n"
    )
    kept, gone = _found(tmp_path, source, "VM504")
    assert kept.advice.endswith("one to vllm.tool_parsers.ToolParserManager.get_tool_parser")
    assert gone.advice.startswith("remove the assignment")


def test_what_runs_in_the_engine_is_not_patched_from_here(tmp_path: Path) -> None:
    source = (
        "from vllm.worker.worker import Worker\n\n\ndef load(self):\n    return None\n\n\n"
        "Worker.load_model = load\n"
    )
    [finding] = _found(tmp_path, source, "VM504")
    assert "worker_extension_cls" in finding.advice


def test_a_try_that_falls_back_on_the_target_is_a_note(tmp_path: Path) -> None:
    name = "_assert_memory_footprint_increased_during_profiling"
    source = (
        "from contextlib import nullcontext\nfrom unittest.mock import patch\n\ntry:\n"
        f"    from vllm.worker.worker import Worker\n    getattr(Worker, '{name}')\n"
        f"    profiling = patch('vllm.worker.worker.Worker.{name}')\n"
        "except (ImportError, AttributeError):\n    profiling = nullcontext()\n"
    )
    for code in ("VM101", "VM504"):
        assert [one.level for one in _found(tmp_path, source, code)] == [Level.NOTE]
        without = source.replace("(ImportError, AttributeError)", "ImportError")
        assert [one.level for one in _found(tmp_path, without, code)] == [Level.ERROR]
        there = source.replace(f"getattr(Worker, '{name}')", "Worker.load_model")
        assert [one.level for one in _found(tmp_path, there, code)] == [Level.ERROR]
