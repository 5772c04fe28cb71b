from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.baseline import baseline_text, read_baseline
from vllm_migrate.edits.fingerprint import snippet
from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Span
from vllm_migrate.rules.against_baseline import counted, without_known
from vllm_migrate.rules.scan import ScanResult, scan

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from vllm import LLM\n\n\ndef f():\n"
ENTRY = (
    '{"schema": "vllm-migrate/baseline/1", "findings": [{"path": "", "code": "", "snippet": "", "count":'
    " %s}]}"
)
CALL = '    LLM("m", swap_space=4)\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def look(folder: Path) -> ScanResult:
    return scan([folder], Config())


def written(folder: Path) -> Path:
    file = folder / ".vllm-migrate-baseline.json"
    file.write_text(baseline_text(counted(look(folder), file)))
    return file


def left(folder: Path, file: Path) -> ScanResult:
    return without_known(look(folder), file, [folder], "baseline")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("swap_space=4,", "swap_space = 4"),
        ("LLM(m, seed=1)", "LLM(\n    m,\n    seed=1,\n)"),
        ("f('a b')", 'f( "a b" )'),
        ("--swap-space 4", "--swap-space \\\n    4"),
    ],
)
def test_a_formatter_changes_no_snippet(one: str, other: str) -> None:
    texts = [text.encode() for text in (one, other)]
    first, second = (snippet(text, Span(0, len(text))) for text in texts)
    assert first == second


def test_snippets_keep_what_matters() -> None:
    assert snippet(b"a = not b", Span(4, 9)) == "not b"
    assert snippet(b"x = 1\ny = 2\n", Span(6, 6)) == "y=2"
    assert snippet(b"# caf\xe9", Span(0, 6)) == "#caf\\xe9"
    assert snippet(b"", Span(0, 0)) == ""
    long, longer = b"x" * 300, b"x" * 301
    assert snippet(long, Span(0, 300)) != snippet(longer, Span(0, 301))
    assert len(snippet(longer, Span(0, 301))) < 220


def test_code_that_moves_stays_known_and_more_of_it_does_not(folder: Path) -> None:
    (folder / "a.py").write_text(HEAD + 2 * CALL)
    file = written(folder)
    (folder / "a.py").write_text("import os\n\n" + HEAD + "    os.sep\n" + CALL + "    os.sep\n" + CALL)
    result = left(folder, file)
    assert (result.findings, len(result.baseline.hidden), result.baseline.stale) == ((), 2, ())
    (folder / "a.py").write_text(HEAD + 3 * CALL)
    result = left(folder, file)
    assert [f.span.start for f in result.findings] == [
        (HEAD + 2 * CALL).encode().__len__() + CALL.index("swap")
    ]


def test_another_file_is_not_known(folder: Path) -> None:
    (folder / "a.py").write_text(HEAD + CALL)
    file = written(folder)
    (folder / "a.py").rename(folder / "b.py")
    result = left(folder, file)
    assert len(result.findings) == 1
    assert [(entry.path, count) for entry, count in result.baseline.stale] == [("a.py", 1)]


def test_stale_entries_are_only_those_that_could_have_been_met(folder: Path) -> None:
    (folder / "sub").mkdir()
    for name in ("a.py", "sub/b.py", "c.py"):
        (folder / name).write_text(HEAD + CALL)
    file = written(folder)
    for name in ("a.py", "sub/b.py"):
        (folder / name).write_text(HEAD + "    pass\n")
    (folder / "c.py").write_text(HEAD + "    LLM(\n")  # can't be judged any more
    assert [entry.path for entry, _ in left(folder, file).baseline.stale] == ["a.py", "sub/b.py"]
    part = without_known(scan([folder / "sub"], Config()), file, [folder / "sub"], "baseline")
    assert [entry.path for entry, _ in part.baseline.stale] == ["sub/b.py"]
    other = without_known(scan([folder], Config(ignore=("VM2",))), file, [folder], "baseline")
    assert other.baseline.stale == ()


def test_the_file_is_sorted_one_entry_to_a_line_and_the_same_every_time(folder: Path) -> None:
    for name in ("b.py", "a.py"):
        (folder / name).write_text(HEAD + 2 * CALL + "    LLM('m', device='cuda:1')\n")
    file = written(folder)
    text = file.read_text()
    entries = json.loads(text)["findings"]
    assert [(e["path"], e["code"], e["count"]) for e in entries] == sorted(
        (e["path"], e["code"], e["count"]) for e in entries
    )
    assert len([line for line in text.splitlines() if line.startswith("    {")]) == len(entries) == 4
    assert all("line" not in entry for entry in entries)
    (folder / "a.py").write_text("\n\n" + (folder / "a.py").read_text())
    assert written(folder).read_text() == text


def test_names_that_are_no_utf_8_come_back(folder: Path) -> None:
    name = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    (folder / name).write_text(HEAD + '    LLM("\u2028\N{SNOWMAN}", swap_space="|%<script>")\n')
    file = written(folder)
    file.read_bytes().decode("utf-8")
    assert [entry.path for entry in read_baseline(file)] == [name]
    assert left(folder, file).findings == ()


def test_an_empty_baseline(folder: Path) -> None:
    file = written(folder)
    assert json.loads(file.read_text()) == {"schema": "vllm-migrate/baseline/1", "findings": []}
    assert not read_baseline(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema": "other/1", "findings": []}',
        '{"schema": "vllm-migrate/baseline/1"}',
        '{"schema": "vllm-migrate/baseline/1", "findings": [1]}',
        '{"schema": "vllm-migrate/baseline/1", "findings": [{"path": "a", "code": "VM201", "snippet": ""}]}',
        ENTRY % "0",
        ENTRY % "true",
        "\ud800",
        "[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_said_in_one_line(folder: Path, text: str) -> None:
    file = folder / "baseline.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError) as caught:
        read_baseline(file)
    assert "\n" not in caught.value.message
    assert "vllm-migrate baseline" in caught.value.hint
