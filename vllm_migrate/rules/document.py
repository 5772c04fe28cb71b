"""A rule's page: the same text for `vllm-migrate rule CODE` and for docs/rules."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vllm_migrate.rules.pages import write_pages
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from vllm_migrate.rules.base import Example, Rule

_LANGUAGES = {".py": "python", ".sh": "sh", ".yaml": "yaml", ".toml": "toml", ".txt": "text"}


def document(rule: Rule) -> str:
    """The rule's page as Markdown, ending in a newline."""
    kinds = ", ".join(kind.value for kind in rule.kinds)
    parts = [
        f"# {rule.code}: {rule.name}",
        inspect.cleandoc(rule.__doc__ or "").strip(),
        f"Level: {rule.level}. Best safety of its edits: {rule.safety.value}. Files: {kinds}.",
        "## Examples",
    ]
    parts += [_example(example) for example in rule.examples]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The page that lists all rules."""
    rows = [
        f"| [{rule.code}]({page_name(rule)}) | {rule.name} | {rule.summary} "
        f"| {rule.level} | {rule.safety.value} |"
        for rule in all_rules()
    ]
    head = "# Rules\n\n| code | name | finds | level | edits |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def page_name(rule: Rule) -> str:
    """The page's file name."""
    return f"{rule.code}.md"


def pages() -> dict[str, str]:
    """All pages by file name, the index among them."""
    return {"README.md": index(), **{page_name(rule): document(rule) for rule in all_rules()}}


def _example(example: Example) -> str:
    language = next((lang for end, lang in _LANGUAGES.items() if example.file_name.endswith(end)), "text")
    route = f"`{example.file_name}`, from {example.source} to {example.target}"
    if example.unchanged:
        return f"Nothing to report ({route}):\n\n{_code(language, example.before)}"
    if example.after is None:
        return f"Left to a person ({route}):\n\n{_code(language, example.before)}"
    flag = ", with `--unsafe-fixes`" if example.unsafe else ""
    before, after = _code(language, example.before), _code(language, example.after)
    return f"Edited ({route}{flag}):\n\n{before}\n\nbecomes\n\n{after}"


def _code(language: str, code: str) -> str:
    return f"```{language}\n{code.rstrip()}\n```"


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), pages())
