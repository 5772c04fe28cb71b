"""Does a finding that is left to a person explain why a run failed?

A crash is explained by a finding in a statement that the traceback goes through, or by one that names what
the error names as missing. A wrong result is explained where, for everything that is wrong, some finding
speaks of it. That a project has findings left says nothing.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_MISSING = re.compile(
    r"(?:attribute|argument|import name|module named|field|key) ['\"]([\w.]+)['\"]"
    r"|NameError: name '(\w+)'|KeyError: '(\w+)'"
)
_FLAGS = re.compile(r"(?:unrecognized arguments|no such option|unexpected|invalid choice).*")
_SUBJECTS = (
    ("weights_used", ("weight",)),
    ("fresh_cache", ("cache",)),
    ("samples", ("samples", "best_of")),
    ("rollouts instead of", ("samples", "abort", "finish")),
    ("can't be sampled", ("structured", "guided", "logits_processor", "min_p")),
    ("logprobs", ("logprob", "log-probabilit")),
    ("choices", ("structured", "guided")),
    ("matches_regex", ("structured", "guided")),
    ("stop_strings", ("stop",)),
    ("lengths", ("min_tokens", "max_tokens", "stop")),
)
"""Words of what may be wrong (`judged.problems`, names of checks), and of findings that speak of it."""


def crash_is_explained(tail: str, error: str, left: Sequence[dict[str, Any]], project: Path) -> bool:
    """Whether a finding stands where the program ended or names what it missed.

    Args:
        tail: the end of what was printed, with the traceback.
        error: the line that names the error.
        left: findings that need a person, as `rewrite` reports them.
        project: the tree that ran.
    """
    names = {name for found in _MISSING.finditer(error) for name in found.groups() if name}
    for flags in _FLAGS.findall(error):
        names |= {flag.replace("-", "_") for flag in re.findall(r"--([\w-]+)", flags)}
    through = set(_statements(tail, project))
    for finding in left:
        said = str(finding["message"]).replace("--", "").replace("-", "_")
        if any(re.search(rf"\b{re.escape(name)}\b", said) for name in names):
            return True
        if any(finding["path"] == path and first <= finding["line"] <= last for path, first, last in through):
            return True
    return False


def result_is_explained(wrong: Sequence[str], left: Sequence[dict[str, Any]]) -> bool:
    """Whether for each thing that is wrong a finding speaks of it."""
    said = " ".join(f"{finding['message']} {finding['advice']}" for finding in left).lower()
    return bool(wrong) and all(any(word in said for word in _words(problem)) for problem in wrong)


def _words(problem: str) -> tuple[str, ...]:
    return next((words for part, words in _SUBJECTS if part in problem), ())


def _statements(tail: str, project: Path) -> Iterator[tuple[str, int, int]]:
    """The statements of the project that the traceback goes through: path, first and last line."""
    for name, line in _FRAME.findall(tail):
        path = project / name
        if project.resolve() not in path.resolve().parents or not path.is_file():
            continue
        try:
            module = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        around = [
            (node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(module)
            if isinstance(node, ast.stmt) and node.lineno <= int(line) <= (node.end_lineno or node.lineno)
        ]
        if around:
            first, last = min(around, key=lambda lines: lines[1] - lines[0])
            yield path.resolve().relative_to(project.resolve()).as_posix(), first, last
