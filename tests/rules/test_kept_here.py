"""VM501 and VM507 take an engine for one in this process only where that engine is shown to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHED = "from vllm import LLM\n\nllm = LLM('m', distributed_executor_backend='external_launcher')\n"
VARIABLE = "import os\n\nos.environ['VLLM_ENABLE_V1_MULTIPROCESSING'] = '0'\n"
WALK = (
    "from vllm import LLM\n\n\ndef head(llm: LLM):\n"
    "    return llm.llm_engine.model_executor.driver_worker.model_runner.model.lm_head\n"
)
OWN = WALK + "\n\nhead(LLM('m'))\n"


@pytest.mark.parametrize(
    ("place", "sign", "text", "level"),
    [
        ("one", LAUNCHED, WALK, Level.NOTE),
        ("two", LAUNCHED, WALK, Level.ERROR),
        (".", LAUNCHED, WALK, Level.NOTE),
        ("one", LAUNCHED, OWN, Level.ERROR),
        ("two", VARIABLE, OWN, Level.NOTE),
    ],
)
def test_where_the_engine_is_by_what_other_files_do(
    tmp_path: Path, place: str, sign: str, text: str, level: Level
) -> None:
    for folder in ("one", place):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / place / "build.py").write_text(sign)
    (tmp_path / "one" / "walk.py").write_text(text)
    found = scan([tmp_path], Config(target="0.32.0", select=("VM501",))).findings
    assert [f.level for f in found if f.path.name == "walk.py" and "driver_worker" in f.message] == [level]


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ("from lib.build import llm\nfrom lib import walk\n", True),
        ("from lib.build import llm\n", False),
        ("", False),
    ],
)
def test_an_engine_is_reached_from_a_file_that_comes_together_with_its_own(
    tmp_path: Path, main: str, *, said: bool
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("")
    (tmp_path / "lib" / "walk.py").write_text(WALK)
    (tmp_path / "lib" / "build.py").write_text("from vllm import LLM\n\nllm = LLM('m')\n")
    (tmp_path / "main.py").write_text(main)
    found = scan([tmp_path], Config(target="0.32.0", select=("VM501",))).findings
    assert ["build.py"] * said == [f.path.name for f in found if "another file walks" in f.message]
