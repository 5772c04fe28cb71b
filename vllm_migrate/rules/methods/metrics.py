"""VM403: the metrics of a request are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import ENGINE_CALLS
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Attribute
    from vllm_migrate.rules.base import Context

_BUILD = 'from vllm import LLM\n\nllm = LLM("m")'
_READ = (
    f'{_BUILD}\nfor output in llm.generate(["a"]):\n'
    "    print(output.metrics.first_token_time - output.metrics.arrival_time)\n"
)


class RequestMetrics(Rule):
    """`output.metrics` of a finished request is read.

    ## What it does
    Finds reads of `metrics` on what `generate()` and `chat()` return. Where a file reads them and also asks
    if there are any (`assert output.metrics`), only the reads are reported. What is only put into a record is
    a note, and nothing where the engine is asynchronous, which keeps statistics by default.

    ## Why it matters
    On V1 it is None unless the engine keeps statistics, which `LLM` doesn't by default: reading a time from
    it raises an AttributeError. Where it is there, its fields have other names, and most of its times are of
    a monotonic clock.

    ## Fix safety
    Left to a person: pass `disable_log_stats=False` (from 0.11.1 on), and read `first_token_ts` for
    `first_token_time`, `last_token_ts` for `last_token_time`, and `scheduled_ts - queued_ts` for
    `time_in_queue`.
    """

    code = "VM403"
    name = "request-metrics"
    summary = "a request's metrics are None, or have other fields"
    level = Level.ERROR
    safety = Safety.MANUAL
    examples = (
        Example(before=_READ),
        Example(
            before=f'{_BUILD}\nfor output in llm.generate(["a"]):\n    assert output.metrics\n',
        ),
        Example(
            before=f'{_BUILD}\nfor output in llm.generate(["a"]):\n    print(output.outputs)\n',
            unchanged=True,
        ),
        Example(
            before=_READ,
            unchanged=True,
            source="v1@0.12.0",
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield where metrics are read."""
        name = "RequestOutput.metrics"
        change = context.facts.change(Subject.ATTRIBUTE, name, context.source, context.target)
        if change is None:
            return
        read = [
            attribute
            for attribute in file.attributes
            if attribute.owner == "vllm.RequestOutput"
            and attribute.name == "metrics"
            and not attribute.assigned
        ]
        asked = [attribute for attribute in read if _is_asked_for(file, attribute)]
        if read and _answers_alone(file):
            # An asynchronous engine keeps statistics unless it is told not to.
            read = [one for one in read if one not in asked and not _is_handed_on(file, one)]
        for attribute in read:
            if attribute not in asked or len(asked) == len(read):
                yield make_finding(
                    self,
                    file,
                    attribute.span,
                    f"{file.text(attribute.span)}: {change.fact.because}",
                    fact=change.fact,
                    level=_level(file, attribute),
                    certainty=attribute.certainty,
                )


def _is_asked_for(file: FileFacts, attribute: Attribute) -> bool:
    """Whether it is only asked if there are any: `assert output.metrics`, `if output.metrics is None:`."""
    source = file.source
    line = source.rfind(b"\n", 0, attribute.span.start) + 1
    before = source[line : attribute.span.start].strip()
    after = source[attribute.span.end :].lstrip(b" \t")
    return before in (b"assert", b"if", b"elif", b"if not") and after.startswith(
        (b"\n", b"\r", b":", b",", b"is ", b"and ")
    )


def _answers_alone(file: FileFacts) -> bool:
    """Whether the only engines that a file builds are asynchronous."""
    built = {call.target for call in file.calls if call.target in ENGINE_CALLS and not call.dead}
    return built == {"vllm.AsyncEngineArgs"}


def _level(file: FileFacts, attribute: Attribute) -> Level | None:
    if not _is_handed_on(file, attribute):
        return None
    before = file.source[: attribute.span.start].rstrip()[-1:]
    return Level.NOTE if before == b":" else Level.WARNING


def _is_handed_on(file: FileFacts, attribute: Attribute) -> bool:
    """Whether nothing is read of the metrics where they stand: None goes into a record as they did."""
    return file.source[attribute.span.end :].lstrip()[:1] in (b",", b")", b"}", b"]")
