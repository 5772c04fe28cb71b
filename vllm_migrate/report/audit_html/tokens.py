"""The tokens that moved most, each with the tokens around it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text, visible
from vllm_migrate.report.audit_html.pieces import part, section, table
from vllm_migrate.report.numbers import count, number
from vllm_migrate.report.words import arm_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.audit.result import Arm, AuditResult, WorstToken

WORST_SHOWN = 20
"""How many of the tokens that moved most are shown for each arm."""


def worst_section(result: AuditResult) -> str:
    """The section: the judged arms' tokens, or every arm's where none was judged."""
    judged = [arm for arm in result.arms if arm.verdict is not None]
    listed = [
        part(text(arm_label(arm).capitalize()), _table(arm)) for arm in judged or result.arms if arm.worst
    ]
    return section("Tokens that moved most", "".join(listed))


def _table(arm: Arm) -> str:
    shown = arm.worst[:WORST_SHOWN]
    total = f"The first {len(shown)} of {len(arm.worst)}. " if len(arm.worst) > len(shown) else ""
    infinite = any(not math.isfinite(token.candidate - token.reference) for token in shown)
    said = "; -inf: probability zero, outside the support" if infinite else ""
    around = any(token.before or token.after for token in shown)
    where = "The token is marked, with those around it. " if around else ""
    head = [
        "token in its place" if around else "token",
        "reference",
        "this arm",
        "Δlogp",
        "prompt",
        "position",
    ]
    caption = f"{total}{where}Logprobs in nats{said}."
    return table(caption, head, f"<tbody>{''.join(map(_row, shown))}</tbody>")


def _row(token: WorstToken) -> str:
    known = math.isfinite(token.reference) or math.isfinite(token.candidate)
    delta = number(token.candidate - token.reference) if known else "undefined"
    return (
        f'<tr><td class="place"><code class="literal">{_around(token.before)}'
        f"<mark>{_token(token.token)}</mark>{_around(token.after)}</code></td>"
        f'<td class="n">{number(token.reference, 4)}</td><td class="n">{number(token.candidate, 4)}</td>'
        f'<td class="n">{delta}</td>'
        f'<td class="n">{count(token.prompt)}</td><td class="n">{count(token.position)}</td></tr>'
    )


def _around(tokens: Sequence[str]) -> str:
    return "".join(f"<bdi>{visible(token, longest=40)}</bdi>" for token in tokens)


def _token(token: str) -> str:
    return f"<bdi>{visible(token)}</bdi>"
