"""`audit --from-code`: the user's code in place of options, for whatever the command line doesn't say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.cli.output import write_error_line
from vllm_migrate.objective import PPO, ClipRange, clip_range
from vllm_migrate.report.style import terminal_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from vllm_migrate.audit.code.taken import Taken
    from vllm_migrate.audit.result import AuditResult
    from vllm_migrate.workers.protocol import SamplingSettings

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens")


@dataclass(frozen=True, slots=True)
class FromCode:
    """What the code says, as far as the command line doesn't say otherwise.

    Attributes:
        taken: None without `--from-code`; then everything stays as the options have it.
        options: values for the audit's own options.
        has_range: `--clip-range` was given on the command line.
    """

    taken: Taken | None = None
    options: dict[str, Any] | None = None
    has_range: bool = False

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The candidate's arguments: the code's, under those given."""
        return given if self.taken is None else {**self.taken.arguments, **given}

    def sampling(self, given: SamplingSettings) -> SamplingSettings:
        """The sampling profile: the code's where no option was given."""
        changes = {name: value for name, value in (self.options or {}).items() if name in _SAMPLING}
        return replace(given, **changes)

    def option(self, name: str, given: Any) -> Any:
        """The value of one option."""
        return (self.options or {}).get(name, given)

    def clip(self, low: float, high: float | None, objective: str | None = None) -> ClipRange:
        """The clip range, and the objective it is of: the code's where no option was given.

        Args:
            low: `--clip-range`, or its default.
            high: `--clip-range-high`, None where it was not given.
            objective: `--objective`, None where there is none.

        Raises:
            UsageError: no such objective, or a range that can't be.
        """
        found = self.options or {}
        named = objective if objective is not None else found.get("objective")
        if named is None or (named == PPO and objective is None):
            low = found.get("clip_range", low)
            return ClipRange(low, found.get("clip_range_high", low if high is None else high))
        own_low = low if self.has_range else found.get("clip_range")
        return clip_range(named, own_low, found.get("clip_range_high", high))

    @property
    def warnings(self) -> tuple[str, ...]:
        """For the plan."""
        return () if self.taken is None else self.taken.warnings

    def in_result(self, result: AuditResult) -> AuditResult:
        """The result, with where its settings came from."""
        if self.taken is None:
            return result
        assumptions = tuple(dict.fromkeys((*result.assumptions, *self.taken.assumptions)))
        return replace(result, code=self.taken, assumptions=assumptions)


def from_code(context: typer.Context, places: Sequence[str] | None, v1: str, *, quiet: bool) -> FromCode:
    """Read the code and show what was taken.

    Args:
        context: tells which options were given on the command line; those win.
        places: as given to `--from-code`.
        v1: the candidate engine.
        quiet: show nothing.

    Raises:
        UsageError: no engine is built there, or several are.
        InputError: a path can't be read.
    """
    if not places:
        return FromCode(has_range=_is_given(context, "clip_range"))
    from vllm_migrate.audit.code.from_code import read_code  # noqa: PLC0415 - the static wing, where asked for
    from vllm_migrate.report.taken_text import taken_lines  # noqa: PLC0415 - same

    taken = read_code(places, v1)
    options = {name: value for name, value in taken.options.items() if not _is_given(context, name)}
    if not quiet:
        import sys  # noqa: PLC0415 - for this alone

        for line in taken_lines(taken, terminal_width(sys.stderr)):
            write_error_line(line)
    return FromCode(taken, options, _is_given(context, "clip_range"))


def _is_given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
