"""The runs of one project: on V0, then on V1 unchanged, after the safe edits and after all edits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import judged
from checks import CHECKS
from execute import Ran, last_error, run
from explained import crash_is_explained, result_is_explained
from rollouts import RolloutError, read
from tolerance import TOLERANCES

if TYPE_CHECKING:
    from case import Case

    from vllm_migrate.engines.environment import EngineEnvironment

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures" / "model"
STAGES = ("v0", "before", "safe", "unsafe")
_REWRITES = {"safe": (), "unsafe": ("--unsafe-fixes",)}


@dataclass
class Outcome:
    """What one run showed.

    Attributes:
        digest: of the tree that ran, its command and its engine; a run with an equal one is not repeated.
        exit_code: None where it ran out of time or was not run.
        wrong: why it does not pass; empty where it passes.
        numerics: the figures of `judged.Numerics`.
        edited: files the rewrite changed.
        remaining: findings left after it: code, place, safety, message, advice.
        explained: it does not pass, and findings that need a person say why (`explained.py`).
    """

    stage: str
    engine: str
    digest: str
    passed: bool = False
    crashed: bool = False
    exit_code: int | None = None
    seconds: float = 0.0
    rollouts: int = 0
    wrong: list[str] = field(default_factory=list)
    numerics: dict[str, float | None] | None = None
    edited: list[str] = field(default_factory=list)
    remaining: list[dict[str, Any]] = field(default_factory=list)
    explained: bool = False

    @property
    def verdict(self) -> str:
        """pass, crash (it did not end well) or wrong (it did, with other results)."""
        return "pass" if self.passed else "crash" if self.crashed else "wrong"


@dataclass(frozen=True)
class Setting:
    """What all runs share: the engines, the judge's engine, the target, the folder to work in."""

    v0: EngineEnvironment
    v1: EngineEnvironment
    judge: EngineEnvironment
    target: str
    work: Path
    again: bool = False


def run_stage(case: Case, stage: str, setting: Setting) -> Outcome:
    """One run of one project, or what it showed the last time the same tree ran.

    Raises:
        judged.JudgeError: the judge itself failed.
    """
    engine = setting.v0 if stage == "v0" else setting.v1
    folder = setting.work / case.name / (stage if stage == "v0" else f"{stage}-{setting.target}")
    folder.mkdir(parents=True, exist_ok=True)
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(case.tree, project, ignore=shutil.ignore_patterns("__pycache__"))
    original = _contents(project)
    remaining: list[dict[str, Any]] = []
    if stage in _REWRITES:
        remaining = rewrite(project, setting.target, _REWRITES[stage])
    rewritten = _contents(project)
    outcome = Outcome(
        stage=stage,
        engine=f"{engine.package} ({engine.device})",
        digest=_digest(case, rewritten, engine),
        edited=sorted(
            name for name in original.keys() | rewritten.keys() if original.get(name) != rewritten.get(name)
        ),
        remaining=remaining,
    )
    ran = None if setting.again else _earlier(folder / "ran.json", outcome.digest) or _twin(folder, outcome)
    if ran is None:
        ran = _run(case, outcome.digest, folder, engine)
    outcome.exit_code, outcome.seconds = ran.exit_code, ran.seconds
    _judge(case, outcome, ran, folder / "out", setting.judge)
    if case.control and outcome.edited:
        outcome.passed = False
        outcome.wrong.append(f"a control was edited: {', '.join(outcome.edited)}")
    left = [entry for entry in remaining if entry["safety"] == "manual" and entry["advice"]]
    if outcome.crashed:
        outcome.explained = crash_is_explained(ran.tail, last_error(ran.tail), left, project)
    elif not outcome.passed:
        outcome.explained = result_is_explained(outcome.wrong, left)
    return outcome


def rewrite(project: Path, target: str, options: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rewrite in place, as a user does, and return the findings that remain."""
    command = ("rewrite", "--allow-dirty", "--output-format", "json", "--to", target, *options, ".")
    done = subprocess.run(
        [sys.executable, "-m", "vllm_migrate", *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"rewrite ended with {done.returncode} in {project}: {done.stderr[-2000:]}")
    keys = ("code", "path", "line", "level", "safety", "message", "advice")
    return [{key: entry[key] for key in keys} for entry in json.loads(done.stdout)["findings"]]


def _run(case: Case, digest: str, folder: Path, engine: EngineEnvironment) -> Ran:
    """Run into an empty folder, and keep how it ended beside what it wrote."""
    kept = folder / "ran.json"
    kept.unlink(missing_ok=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    given = {"MODEL": str(MODEL), "PROMPTS": str(ROOT / "fixtures" / "prompts.jsonl")}
    ran = run(case, folder, engine, given)
    kept.write_text(json.dumps({"digest": digest, **asdict(ran)}, indent=1) + "\n", encoding="utf-8")
    return ran


def _earlier(path: Path, digest: str) -> Ran | None:
    """How the same tree ended when it ran before."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Ran(**kept) if kept.pop("digest") == digest else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _twin(folder: Path, outcome: Outcome) -> Ran | None:
    """How another stage of the project ended that ran the same tree: a control's are all the same."""
    for other in sorted(folder.parent.iterdir()):
        ran = _earlier(other / "ran.json", outcome.digest) if other != folder else None
        if ran is not None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            shutil.copytree(other / "out", folder / "out")
            shutil.copyfile(other / "ran.json", folder / "ran.json")
            return ran
    return None


def _judge(case: Case, outcome: Outcome, ran: Ran, out: Path, judge: EngineEnvironment) -> None:
    """Say what is wrong with a run; fills the outcome in."""
    if ran.exit_code != 0:
        outcome.crashed = True
        how = f"ran out of {case.timeout} s" if ran.exit_code is None else f"exit {ran.exit_code}"
        outcome.wrong = [f"{how}: {last_error(ran.tail)}"]
        return
    try:
        found = read(out / "rollouts.jsonl")
        outcome.rollouts = len(found)
        if len(found) != case.rollouts:
            outcome.wrong.append(f"{len(found)} rollouts instead of {case.rollouts}")
        if not found:
            return
        scored = judged.score(found, out / "rollouts.jsonl", MODEL, case.dtype, judge)
    except RolloutError as error:
        outcome.wrong.append(str(error))
        return
    tolerance = TOLERANCES[case.dtype]
    figures = judged.numerics(scored, tolerance)
    outcome.numerics = judged.as_row(figures)
    outcome.wrong += judged.problems(figures, tolerance)
    for name in case.files:
        if not (out / name).is_file() or (out / name).stat().st_size == 0:
            outcome.wrong.append(f"{name} was not written")
    for name in case.checks:
        outcome.wrong += [f"{name}: {problem}" for problem in CHECKS[name](scored, tolerance)]
    outcome.passed = not outcome.wrong


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _digest(case: Case, contents: dict[str, bytes], engine: EngineEnvironment) -> str:
    """Of everything a run depends on."""
    digest = hashlib.sha256(repr((case.command, case.timeout, engine.package, engine.device)).encode())
    for name, data in contents.items():
        digest.update(repr((name, data)).encode())
    return digest.hexdigest()[:16]
