from __future__ import annotations

from pathlib import PurePosixPath

from vllm_migrate.edits.model import Finding, Level, Safety
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.report.findings_text import findings_text
from vllm_migrate.report.places import excerpt, place, visible_span
from vllm_migrate.report.style import Style

PATH = PurePosixPath("train.py")


def found(source: bytes, start: int, end: int, **more: str) -> tuple[Finding, FileFacts]:
    facts = FileFacts(PATH, FileKind.PYTHON, source)
    finding = Finding(
        "VM201", "gone", PATH, Span(start, end), Level.ERROR, Safety.MANUAL, more.get("message", "gone"),
        more.get("advice", ""),
    )  # fmt: skip
    return finding, facts


def lines(source: bytes, start: int, end: int, width: int = 80, **more: str) -> list[str]:
    finding, facts = found(source, start, end, **more)
    return list(findings_text([finding], {PATH: facts}, Style(enabled=False), width))


def test_a_finding_is_a_place_a_message_a_line_and_a_caret() -> None:
    assert lines(b"x = 1\ny = [int]\n", 10, 15, advice="write y") == [
        "train.py:2:5  VM201 gone  [manual]  gone",
        "  2 | y = [int]",
        "    |     ^^^^^",
        "    write y",
        "",
    ]


def test_long_messages_are_wrapped_and_code_is_not() -> None:
    source = b"value = " + b"x" * 200 + b"\n"
    text = lines(source, 0, 5, message="word " * 40)
    assert source.decode().rstrip() in text[-3]
    assert all(len(line) <= 80 for line in text if " | " not in line)


def test_carets_under_tabs_and_wide_characters() -> None:
    source = "\tx = '漢字', bad\n".encode()
    start = source.index(b"bad")
    finding, facts = found(source, start, start + 3)
    line, caret = excerpt(facts, place(finding, facts))
    assert line == "\tx = '漢字', bad"
    assert caret == "\t" + " " * (len("x = '', ") + 4) + "^^^"


def test_a_finding_over_several_lines_is_marked_to_the_end_of_its_first() -> None:
    finding, facts = found(b"f(a,\n  b)\n", 0, 9)
    assert excerpt(facts, place(finding, facts)) == ("f(a,", "^^^^")


def test_a_byte_order_mark_is_no_column() -> None:
    finding, facts = found(b"\xef\xbb\xbfbad\n", 3, 6)
    position = place(finding, facts)
    assert (position.line, position.column) == (1, 1)
    assert excerpt(facts, position) == ("bad", "^^^")


def test_blanks_and_continuations_that_go_with_it_are_not_marked() -> None:
    source = b"serve m \\\n  --swap 4\nx"
    assert visible_span(source, Span(7, 20)) == Span(12, 20)
    assert visible_span(b"   ", Span(0, 3)) == Span(0, 3)


def test_a_finding_at_the_end_of_an_empty_file() -> None:
    finding, facts = found(b"", 0, 0)
    assert excerpt(facts, place(finding, facts)) == ("", "^")
