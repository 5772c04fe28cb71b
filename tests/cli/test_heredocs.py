"""Here-documents in shell scripts: read as what they are handed to or written to, and edited in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "from vllm import LLM\n\ndef f():\n    return LLM('m', swap_space=4, seed=1)\n"
PYTHON_AFTER = PYTHON.replace("swap_space=4, ", "")
NAMED = "from vllm import LLM\n\ndef f():\n    return LLM('$MODEL', tensor_parallel_size=$TP, swap_space=4)\n"
SERVE = "vllm serve m --swap-space 4 --seed 1\n"
SERVE_AFTER = "vllm serve m --seed 1\n"
TABBED = "\tvllm serve m \\\n\t  --swap-space 4 \\\n\t  --seed 1\n"


def script(opening: str, body: str) -> str:
    return f"set -e\n{opening}\n{body}EOF\necho done\n"


@pytest.mark.parametrize(
    ("opening", "before", "after"),
    [
        ("python - <<'EOF'", PYTHON, PYTHON_AFTER),
        ("python3 <<EOF", PYTHON, PYTHON_AFTER),
        ("CUDA_VISIBLE_DEVICES=0 python3 - <<'EOF' | tee log", PYTHON, PYTHON_AFTER),
        ("cat > run.py <<'EOF'", PYTHON, PYTHON_AFTER),
        ("cat <<EOF > code/run.py", PYTHON, PYTHON_AFTER),
        ("tee run.py <<'EOF'", PYTHON, PYTHON_AFTER),
        ("cat > run.py <<EOF", NAMED, NAMED.replace(", swap_space=4", "")),
        ("bash <<'EOF'", SERVE, SERVE_AFTER),
        ("bash <<-EOF", TABBED, TABBED.replace("\t  --swap-space 4 \\\n", "")),
        ("ssh host bash -s <<'EOF'", SERVE, SERVE_AFTER),
        ("cat > serve.sh <<EOF", SERVE, SERVE_AFTER),
        ("bash <<'EOF'", "export VLLM_USE_V1=0\nls\n", "ls\n"),
    ],
)
def test_edited_in_place(run, project: Path, opening: str, before: str, after: str) -> None:
    (project / "run.sh").write_text(script(opening, before))
    run("rewrite", ".", "--allow-dirty")
    assert (project / "run.sh").read_text() == script(opening, after)
    assert run("check", ".", "--select", "VM2,VM8").code == 0


@pytest.mark.parametrize(
    "opening", ["cat <<EOF", "cat > notes.txt <<EOF", "cat > README.md <<'EOF'", "mail <<EOF"]
)
def test_what_is_no_code_is_left_alone(run, project: Path, opening: str) -> None:
    (project / "run.sh").write_text(script(opening, SERVE))
    assert run("check", ".").code == 0


def test_settings_in_a_here_document(run, project: Path) -> None:
    body = "engine_kwargs:\n  swap_space: 4\n  seed: $SEED\n"
    (project / "run.sh").write_text("# vllm\n" + script("cat > conf.yaml <<EOF", body))
    assert "run.sh:5:3  VM201" in run("check", ".").out


def test_code_that_can_not_be_read_is_said(run, project: Path) -> None:
    (project / "run.sh").write_text(script("python - <<'EOF'", "from vllm import LLM\nLLM(\n"))
    done = run("check", ".")
    assert done.code == 2
    assert "run.sh:3  VM002  here-document:" in done.out
