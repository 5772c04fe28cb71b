"""VM004: a suppression comment silences nothing."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.edits.positions import position_of
from vllm_migrate.edits.suppress import UNUSED, silencing
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.suppressions import ALL, Code, comment_at
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.parts import Part
    from vllm_migrate.rules.base import Context


class UnusedSuppression(Rule):
    """A comment that silences nothing.

    ## What it does
    Reports `# vllm-migrate: ignore[...]` comments, and single codes in them, that silence no finding. All
    rules are asked, those that `--select` and `--ignore` leave out included, so that a narrower run reports
    no more.

    ## Why it matters
    The code it was written for has gone or was migrated; what it silences next, nobody will have looked at.

    ## Fix safety
    Left to a person: with another `--to` the comment may still be needed. `ignore[VM004]` beside the other
    codes keeps it.
    """

    code = UNUSED
    name = "unused-suppression"
    summary = "a suppression comment silences nothing"
    level = Level.NOTE
    safety = Safety.MANUAL
    kinds = (
        FileKind.PYTHON, FileKind.SHELL, FileKind.YAML, FileKind.TOML, FileKind.REQUIREMENTS,
        FileKind.SETUP_CFG, FileKind.DOCKERFILE,
    )  # fmt: skip
    examples = (
        Example(before="from vllm import LLM\n\nllm = LLM(seed=1)  # vllm-migrate: ignore[VM201] later\n"),
        Example(
            before="# vllm-migrate: ignore[VM201, VM999]\nvllm serve m --swap-space 4\n",
            file_name="run.sh",
        ),
        Example(
            before="# vllm-migrate: ignore[VM201]\nvllm serve m --swap-space 4\n",
            unchanged=True,
            file_name="run.sh",
        ),
        Example(
            before='FROM vllm/vllm-openai:v0.32.0\n# vllm-migrate: ignore[VM201]\nCMD ["--seed", "1"]\n',
            file_name="Dockerfile",
        ),
        Example(
            before=(
                "FROM vllm/vllm-openai:v0.32.0\n"
                '# vllm-migrate: ignore[VM201]\nCMD ["--swap-space", "4", "--seed", "1"]\n'
            ),
            unchanged=True,
            file_name="Dockerfile",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the comments that none of the other rules' findings meets."""
        written = {
            (code.line, str(code))
            for codes in file.suppressions.values()
            for code in codes
            if isinstance(code, Code) and code != UNUSED
        }
        idle = written - _used(file, context) if written else set()
        if not idle:
            return
        real = _comment_lines(file)
        for line in sorted({line for line, _ in idle}):
            if real is None or line in real:
                codes = sorted(code for at, code in idle if at == line)
                what = ", ".join("this comment" if code == ALL else code for code in codes)
                all_of_it = len(codes) == sum(at == line for at, _ in written)
                yield make_finding(
                    self,
                    file,
                    comment_at(file.source, line),
                    f"nothing here is silenced by {what}",
                    advice="remove the comment" if all_of_it else f"remove {what} from the comment",
                )


def _used(file: FileFacts, context: Context) -> set[tuple[int, str]]:
    """The comments' lines and codes that silence something any other rule finds."""
    from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - the registry imports this module

    used: set[tuple[int, str]] = set()
    for rule in all_rules():
        if rule.code == UNUSED or file.kind not in rule.kinds:
            continue
        for finding in rule.find(file, context):
            position = position_of(file.source, finding.span, file.encoding)
            for code in silencing(finding, position, file.suppressions):
                if isinstance(code, Code):
                    used.add((code.line, str(code)))
    for part in file.parts:
        used |= _used_inside(file, part, context)
    return used


def _used_inside(file: FileFacts, part: Part, context: Context) -> set[tuple[int, str]]:
    """The comments of the file around a part that silence what is found in the part."""
    from vllm_migrate.rules.registry import all_rules  # noqa: PLC0415 - the registry imports this module

    used: set[tuple[int, str]] = set()
    inner = part.facts
    for rule in all_rules():
        if rule.code == UNUSED or inner.kind not in rule.kinds or not inner.suppressions:
            continue
        for finding in rule.find(inner, context):
            silent = silencing(
                finding, position_of(inner.source, finding.span, inner.encoding), inner.suppressions
            )
            codes = {str(code) for code in silent}
            line = position_of(file.source, part.outward(finding.span), file.encoding).line
            used.update(
                (code.line, str(code))
                for code in file.suppressions.get(line, ())
                if isinstance(code, Code) and str(code) in codes
            )
    return used


def _comment_lines(file: FileFacts) -> set[int] | None:
    """The lines of a Python file that have a comment, text in a string being none; None where unknown."""
    if file.kind is not FileKind.PYTHON:
        return None
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(file.source).readline))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return None
    return {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
