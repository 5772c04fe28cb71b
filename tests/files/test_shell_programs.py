"""Engine flags that scripts hand to programs of the project."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Safety
from vllm_migrate.files.located import Certainty
from vllm_migrate.files.shell import read_shell
from vllm_migrate.files.shell_programs import Program, programs, with_flags
from vllm_migrate.resolve.python import read_python
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = (
    b"from vllm import LLM, EngineArgs\nfrom vllm.utils import FlexibleArgumentParser\n\n"
    b"parser = EngineArgs.add_cli_args(FlexibleArgumentParser())\n"
    b'parser.add_argument("--preemption-mode", default="none")\n'
    b"args = EngineArgs.from_cli_args(parser.parse_args())\n"
)
OTHER = b"import argparse\nimport vllm\n\nparser = argparse.ArgumentParser()\n"
EVALUATE = PurePosixPath("tools/evaluate.py")


def likely(command: str, *others: str, script: str = "tools/run.sh") -> list[str]:
    """The flags of a script that are taken for the engine's, where `tools/evaluate.py` is a program."""
    facts = read_shell(PurePosixPath(script), f"{command}\n".encode())
    modules = {EVALUATE, *map(PurePosixPath, others)}
    linked = with_flags(facts, [Program(EVALUATE, frozenset({"preemption_mode"}))], modules)
    return [a.name for a in linked.arguments if a.owner == "engine" and a.certainty is Certainty.LIKELY]


def test_programs_are_those_that_take_the_engines_options() -> None:
    found = programs([read_python(EVALUATE, PROGRAM), read_python(PurePosixPath("other.py"), OTHER)])
    assert found == (Program(EVALUATE, frozenset({"preemption_mode"})),)


@pytest.mark.parametrize(
    "command",
    [
        "python evaluate.py --swap-space 0",
        "python3 -u ./evaluate.py --swap-space=0",
        "exec python tools/evaluate.py --swap-space 0",
        'torchrun --nproc-per-node 1 "$HERE/evaluate.py" --swap-space 0',
        'python "$(dirname "$0")/evaluate.py" --swap-space 0',
        "python -m tools.evaluate --swap-space 0",
        "./evaluate.py --swap-space 0",
    ],
)
def test_flags_behind_a_program_are_the_engines(command: str) -> None:
    assert likely(command) == ["swap_space"]


@pytest.mark.parametrize(
    "command",
    [
        "python train.py --swap-space 0",
        "python -m other.evaluate --swap-space 0",
        "python evaluate.py.bak --swap-space 0",
        "echo --swap-space 0",
        "python evaluate.py --preemption-mode swap",
    ],
)
def test_others_are_not(command: str) -> None:
    assert likely(command) == []


def test_a_file_beside_the_script_comes_before_one_of_that_name_elsewhere() -> None:
    assert likely("python evaluate.py --swap-space 0", "evaluate.py", script="run.sh") == []
    assert likely("python evaluate.py --swap-space 0", "lib/evaluate.py", script="run.sh") == []


def in_script(folder: Path, program: bytes, command: str) -> list[tuple[str, Safety, bool]]:
    """What VM201 says of a script that starts a program."""
    (folder / "evaluate.py").write_bytes(program)
    (folder / "run.sh").write_text(command)
    found = scan([folder], Config(target="0.32.0")).findings
    return [(f.code, f.safety, bool(f.edits)) for f in found if f.path.name == "run.sh"]


def test_such_flags_are_mended_with_a_reader(tmp_path: Path) -> None:
    command = "python evaluate.py --swap-space 0 --preemption-mode swap\n"
    assert in_script(tmp_path, PROGRAM, command) == [("VM201", Safety.UNSAFE, True)]


def test_flags_of_a_program_that_parses_for_itself_stay_a_guess(tmp_path: Path) -> None:
    command = "export VLLM_LOGGING_LEVEL=INFO\npython evaluate.py --swap-space 0\n"
    assert in_script(tmp_path, OTHER, command) == [("VM201", Safety.MANUAL, False)]
