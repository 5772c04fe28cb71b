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
