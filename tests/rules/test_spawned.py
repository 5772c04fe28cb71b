"""VM801 warns where the engine's process is spawned; a forked one imports nothing again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, context, find, read

from vllm_migrate.edits.model import Level
from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.mentions import Mentions

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import os\n\nimport torch\nfrom vllm import LLM\n\n"
BUILD = 'llm = LLM("m")\n'


@pytest.mark.parametrize(
    "before",
    [
        'os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"\n',
        "torch.cuda.set_device(0)\n",
        "name = torch.cuda.get_device_name()\n",
        "judge = load().cuda()\n",
        'judge = load().to("cuda:1")\n',
        'device = "cuda" if torch.cuda.is_available() else "cpu"\njudge = load().to(device)\n',
        'judge = Model.from_pretrained("j", device_map="auto")\n',
        "layers = plan_of_layers(gpus=2)\njudge = Model.from_pretrained(device_map=layers)\n",
        "if torch.cuda.is_available():\n    judge = load().cuda()\n",
        'x = torch.zeros(2, device="cuda")\n',
        "def prepare():\n    return load().cuda()\n\n\njudge = prepare()\n",
    ],
)
def test_what_makes_vllm_spawn(before: str) -> None:
    (finding,) = find(by_code("VM801"), f"{HEAD}{before}{BUILD}")
    assert finding.level is Level.WARNING
    assert finding.edits
    assert "spawned here" in finding.message


@pytest.mark.parametrize(
    "before",
    [
        "",
        "n = torch.cuda.device_count() if torch.cuda.is_available() else 0\n",
        "torch.cuda.manual_seed_all(1)\n",
        'device = torch.device("cuda")\n',
        'judge = load().to("cpu")\n',
        'settings = Settings(device="cuda")\n',
        "def prepare():\n    return load().cuda()\n\n\n",
        'if OLD:\n    judge = load().to("cuda")\n',
    ],
)
def test_what_leaves_it_to_fork(before: str) -> None:
    (finding,) = find(by_code("VM801"), f"{HEAD}{before}{BUILD}")
    assert finding.level is Level.NOTE
    assert find(by_code("VM801"), f"{HEAD}{before}{BUILD}judge = load().cuda()\n")[0].level is Level.NOTE


@pytest.mark.parametrize(
    ("name", "kind", "text", "counts"),
    [
        ("run.sh", FileKind.SHELL, "export VLLM_WORKER_MULTIPROC_METHOD=spawn\npython draw.py\n", True),
        ("run.sh", FileKind.SHELL, "export VLLM_WORKER_MULTIPROC_METHOD=spawn\npython other.py\n", False),
        ("job.yaml", FileKind.YAML, "env:\n  VLLM_WORKER_MULTIPROC_METHOD: spawn\n", True),
        ("env.py", FileKind.PYTHON, 'os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"\n', False),
        (
            "main.py",
            FileKind.PYTHON,
            'os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"\nimport draw\n',
            True,
        ),
    ],
)
def test_a_file_that_asks_for_it_counts_for_what_it_runs(
    tmp_path: Path, name: str, kind: FileKind, text: str, *, counts: bool
) -> None:
    (tmp_path / name).write_text(text)
    mentions = Mentions((SourceFile(tmp_path / name, PurePosixPath(name), kind),))
    facts = read((HEAD + BUILD).encode(), "draw.py", "0.32.0")
    (finding,) = by_code("VM801").find(facts, replace(context(facts.use), mentions=mentions))
    assert finding.level is (Level.WARNING if counts else Level.NOTE)
    assert (f"{name} sets VLLM_WORKER_MULTIPROC_METHOD" in finding.message) is counts


@pytest.mark.parametrize(
    ("after", "advice"),
    [
        ("print(llm.generate([]))\n", ""),
        ("\n\ndef draw(prompt):\n    return llm.generate([prompt])\n", "stays the global"),
        ('\nif __name__ == "__main__":\n    print(llm)\n', "stays the global"),
    ],
)
def test_what_functions_read_stays_global(after: str, advice: str) -> None:
    (finding,) = find(by_code("VM801"), f"{HEAD}{BUILD}{after}")
    assert bool(finding.edits) is not bool(advice)
    assert advice in finding.advice


def test_a_module_that_others_import_is_no_script(tmp_path: Path) -> None:
    other = tmp_path / "run.py"
    other.write_text("from lib.draw import sample\n")
    mentions = Mentions((SourceFile(other, PurePosixPath("run.py"), FileKind.PYTHON),))
    source = f"{HEAD}{BUILD}\n\ndef sample(prompt):\n    return llm.generate([prompt])\n"
    facts = read(source.encode(), "lib/draw.py", "0.32.0")
    (finding,) = by_code("VM801").find(facts, replace(context(facts.use), mentions=mentions))
    assert "other modules import this one" in finding.advice
    assert not finding.edits
