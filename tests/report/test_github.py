from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hostile import NAMES, hostile_scan

from vllm_migrate.report.github import MOST_ROWS, render, render_error, summary_table

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def decoded(text: str) -> str:
    for code, char in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    found = []
    for line in text.splitlines():
        match = COMMAND.fullmatch(line)
        assert match, line
        properties = dict(part.split("=", 1) for part in match[2].split(","))
        found.append(
            (match[1], {name: decoded(value) for name, value in properties.items()}, decoded(match[3]))
        )
    return found


def test_every_line_is_one_command_whatever_the_names(folder: Path) -> None:
    result = hostile_scan(folder)
    text = render(result, "warning")
    found = commands(text)
    assert len(found) == len(result.findings) + 1
    files = {properties["file"] for _, properties, _ in found}
    assert {"plain.py", "a,b:c%d|e.py", "new\nline ::error::x.py", "broken.py"} <= files
    assert len(files) == len(NAMES) + 2  # and broken.py, run.sh
    assert "\x1b" not in text
    text.encode("utf-8")


def test_the_worst_come_first(folder: Path) -> None:
    levels = [level for level, _, _ in commands(render(hostile_scan(folder), "warning"))]
    assert levels == sorted(levels, key=["error", "warning", "notice"].index)
    assert levels[0] == "error"
    assert levels[-1] == "notice"


def test_columns_only_on_one_line(folder: Path) -> None:
    (folder / "a.sh").write_text("vllm serve m \\\n  --swap-space \\\n  4\n")
    (folder / "b.sh").write_text("vllm serve m --swap-space 4\n")
    (_, several, _), (_, one, _) = commands(render(hostile_scan_of(folder), "warning"))
    assert (several["line"], several["endLine"]) == ("2", "3")
    assert "col" not in several
    assert (one["line"], one["endLine"], one["col"], one["endColumn"]) == ("1", "1", "14", "28")


def hostile_scan_of(folder: Path):
    from vllm_migrate.config import Config  # noqa: PLC0415 - for this test only
    from vllm_migrate.rules.scan import scan  # noqa: PLC0415 - same

    return scan([folder], Config())


def test_an_error_is_one_command() -> None:
    assert render_error("input", "a\nb%") == "::error title=vllm-migrate%3A input::a%0Ab%25\n"


def test_the_table_has_a_row_per_finding_and_no_markup_of_the_user_s(folder: Path) -> None:
    result = hostile_scan(folder)
    text = summary_table(result)
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(result.findings) + 1
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert "<script>" not in text
    assert "`" not in text
    assert "\x1b" not in text


def test_the_table_ends_before_github_drops_it(folder: Path) -> None:
    lines = "".join(f"    LLM(str({n}), swap_space=1)\n" for n in range(MOST_ROWS + 20))
    (folder / "a.py").write_text(f"from vllm import LLM\n\n\ndef f():\n{lines}")
    text = summary_table(hostile_scan_of(folder))
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == MOST_ROWS + 1
    assert "20 more" in text
