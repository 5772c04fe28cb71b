"""VM503 says that a worker is made for V0 only of one that has a name and isn't seen to be V1's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = (
    "import cloudpickle\nfrom vllm import LLM\n\n\ndef build(given):\n    return LLM('m', worker_cls={})\n"
)
WORKER = "from {module} import Worker\n\n\nclass Sync(Worker):\n    def update(self):\n        pass\n"


@pytest.mark.parametrize(
    ("module", "said"), [("vllm.worker.worker", True), ("vllm.v1.worker.gpu_worker", False)]
)
def test_a_worker_of_v1_in_another_file_is_left_alone(tmp_path: Path, module: str, *, said: bool) -> None:
    (tmp_path / "engine.py").write_text(ENGINE.format("'sync.Sync'"))
    (tmp_path / "sync.py").write_text(WORKER.format(module=module))
    found = scan([tmp_path], Config(target="0.32.0", select=("VM503",))).findings
    assert ["names a worker made for V0" in finding.message for finding in found] == [True] * said


@pytest.mark.parametrize(
    ("value", "level"), [("cloudpickle.dumps(given)", Level.ERROR), ("given", Level.WARNING)]
)
def test_what_is_no_name_is_not_quoted(tmp_path: Path, value: str, level: Level) -> None:
    (tmp_path / "engine.py").write_text(ENGINE.format(value))
    (found,) = scan([tmp_path], Config(target="0.32.0", select=("VM503",))).findings
    assert found.level is level
    assert value not in found.advice
    assert "made for V0" not in found.message
