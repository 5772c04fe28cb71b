"""Modules that only branches import which the target never takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

CHOICE = (
    "from packaging.version import Version\nimport vllm\n\n"
    'if Version(vllm.__version__) <= Version("0.6.3"):\n    from .old import Rollout\n'
    "else:\n    from .new import Rollout\n"
)
OLD = "from vllm import SamplingParams\n\n\nclass Rollout:\n    params = SamplingParams(best_of=1)\n"


def _levels(root: Path, files: dict[str, str]) -> dict[str, Level]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = scan([root], Config()).findings
    assert all("never imports" in f.message for f in found if f.level is Level.NOTE)
    assert all(f.safety is not Safety.SAFE for f in found if f.level is Level.NOTE)
    return {str(finding.path): finding.level for finding in found}


def test_a_twin_for_old_releases_gets_notes(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": CHOICE, "pkg/old.py": OLD, "pkg/new.py": OLD}
    assert _levels(tmp_path, files) == {"pkg/old.py": Level.NOTE, "pkg/new.py": Level.ERROR}


def test_what_only_such_a_twin_imports_is_one_too(tmp_path: Path) -> None:
    choice = CHOICE.replace(".old import Rollout", ".old import Rollout\n    from .more import More")
    old = f"from pkg.more import More\n{OLD}"
    files = {"pkg/__init__.py": choice, "pkg/old.py": old, "pkg/more.py": OLD, "pkg/new.py": ""}
    assert _levels(tmp_path, files) == {"pkg/old.py": Level.NOTE, "pkg/more.py": Level.NOTE}


def test_one_living_import_is_enough(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": CHOICE, "pkg/old.py": OLD, "pkg/new.py": "", "run.py": "import pkg.old\n"}
    assert _levels(tmp_path, files) == {"pkg/old.py": Level.ERROR}
    (tmp_path / "run.py").write_text(
        "def run():\n    from pkg import old\n    return old\n", encoding="utf-8"
    )
    assert _levels(tmp_path, {}) == {"pkg/old.py": Level.ERROR}


def test_a_module_of_the_same_name_elsewhere_is_none(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": CHOICE, "pkg/old.py": OLD, "pkg/new.py": "", "old.py": OLD}
    assert _levels(tmp_path, files) == {"pkg/old.py": Level.NOTE, "old.py": Level.ERROR}


def test_a_release_named_in_the_version_chooses_a_package_and_all_it_names(tmp_path: Path) -> None:
    choice = (
        "import vllm\n\n"
        'if "0.7.3" in vllm.__version__:\n    from pkg.old_073.llm import Rollout\n'
        'elif vllm.__version__.startswith(("0.8.4", "0.8.5")):\n    from pkg.old_084.llm import Rollout\n'
        "else:\n    raise NotImplementedError(vllm.__version__)\n"
    )
    llm = f'from pkg.{{0}}.engine import make\n\nWORKER = "pkg.{{0}}.worker.Worker"\n{OLD}'
    files = {"pkg/__init__.py": choice, "pkg/shared.py": OLD, "run.py": "from pkg import Rollout, shared\n"}
    for old in ("old_073", "old_084"):
        files |= {f"pkg/{old}/__init__.py": OLD, f"pkg/{old}/llm.py": llm.format(old)}
        files |= {
            f"pkg/{old}/engine.py": f"from pkg import shared\n{OLD}",
            f"pkg/{old}/worker.py": OLD,
        }
    expected = {
        f"pkg/{old}/{name}.py": Level.NOTE
        for old in ("old_073", "old_084")
        for name in ("__init__", "llm", "engine", "worker")
    }
    assert _levels(tmp_path, files) == {**expected, "pkg/shared.py": Level.ERROR}


def test_a_name_in_a_string_is_enough(tmp_path: Path) -> None:
    run = 'from vllm import LLM\n\nllm = LLM("m", worker_cls="pkg.old.Rollout")\n'
    files = {"pkg/__init__.py": CHOICE, "pkg/old.py": OLD, "pkg/new.py": "", "run.py": run}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = scan([tmp_path / "pkg", tmp_path / "run.py"], Config()).findings
    assert Level.ERROR in {f.level for f in found if f.path.name == "old.py"}


def test_a_script_that_a_twin_imports_is_started_by_somebody(tmp_path: Path) -> None:
    old = f"from pkg.more import More\n{OLD}"
    more = f'{OLD}\n\nif __name__ == "__main__":\n    Rollout()\n'
    files = {"pkg/__init__.py": CHOICE, "pkg/old.py": old, "pkg/more.py": more, "pkg/new.py": ""}
    assert _levels(tmp_path, files) == {"pkg/old.py": Level.NOTE, "pkg/more.py": Level.ERROR}
