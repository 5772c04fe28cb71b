"""JUnit XML: cases, suites, the document. Counts are those of what is written."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from vllm_migrate.report.style import printable

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_KINDS = ("failure", "error", "skipped")

Case = tuple[str, str]
"""What a case ends as ("failure", "error", "skipped", "passed"), and its element."""
Suite = tuple[tuple[int, ...], str]
"""How many cases, failures, errors and skipped ones, and the element."""


def case(name: str, classname: str, body: str) -> str:
    """One test case; `body` is markup."""
    head = f"    <testcase name={attribute(name)} classname={attribute(classname)}"
    return f"{head}>{body}</testcase>\n" if body else f"{head}/>\n"


def ended(outcome: str, name: str, classname: str, kind: str, lines: list[str]) -> Case:
    """A case with what is to be said of it.

    Args:
        outcome: what it ends as.
        name: of the case.
        classname: of the case.
        kind: the type of a failure or an error.
        lines: what is said, of characters that XML can hold; the first is the message.
    """
    text = escape("\n".join(lines))
    message = attribute(lines[0])
    if outcome == "passed":
        body = f"<system-out>{text}</system-out>" if text else ""
    elif outcome == "skipped":
        body = f"<skipped message={message}/>"
    else:
        body = f"<{outcome} type={attribute(kind)} message={message}>{text}</{outcome}>"
    return outcome, case(name, classname, body)


def suite(name: str, cases: list[Case]) -> Suite:
    """Cases under a name."""
    numbers = (len(cases), *(sum(outcome == kind for outcome, _ in cases) for kind in _KINDS))
    head = f"  <testsuite name={attribute(name)} {_counts(*numbers)}>\n"
    return numbers, head + "".join(text for _, text in cases) + "  </testsuite>\n"


def document(suites: list[Suite]) -> str:
    """The whole document."""
    numbers = [sum(column) for column in zip(*(numbers for numbers, _ in suites), strict=True)]
    head = f'{_HEAD}<testsuites name="vllm-migrate" {_counts(*numbers)}>\n'
    return head + "".join(text for _, text in suites) + "</testsuites>\n"


def attribute(text: str) -> str:
    """A quoted attribute; characters that XML can't hold are replaced."""
    return quoteattr(printable(text))


def _counts(tests: int, failures: int, errors: int, skipped: int) -> str:
    counted = f'tests="{tests}" failures="{failures}" errors="{errors}"'
    return f'{counted} skipped="{skipped}"' if skipped else counted
