"""Documents: which blocks are read, as what, and that nothing in them is more than a note."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Finding, Level, Safety
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Target
from vllm_migrate.facts.source import parse_source
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind, kind_by_name
from vllm_migrate.files.use import Use
from vllm_migrate.rules.base import Context
from vllm_migrate.rules.scan import Judge

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def read(text: str, name: str = "README.md") -> FileFacts:
    kind = kind_by_name(name)
    assert kind is FileKind.MARKDOWN
    return read_file(PurePosixPath(name), kind, f"{text}\n<!-- vllm -->\n".encode(), None, None)


def parts(text: str, name: str = "README.md") -> list[tuple[str, str]]:
    return [(part.facts.kind.value, part.facts.source.decode()) for part in read(text, name).parts]


def found(text: str, name: str = "README.md") -> list[Finding]:
    target = Target("vllm", Version("0.32.0"))
    judge = Judge(Context(parse_source("0.8.5"), target, load_facts(), Use()), None, Config())
    return judge.findings(read(text, name))[0]


def test_blocks_by_language() -> None:
    assert parts(
        "# Title\n```python title=x\nfrom vllm import LLM\n```\ntext `LLM(swap_space=4)`\n"
        "~~~~bash\npip install vllm==0.8.5\n~~~\n~~~~\n"
        "- item\n\n  ```yaml\n  vllm:\n    swap_space: 4\n  ```\n"
        "```{code-block} python\nllm = LLM('m')\n```\n```{.sh}\nls\n```\n"
        "```\nLLM(x)\n```\n```json\n{}\n```\n```Dockerfile\nFROM x\n```\n"
    ) == [
        ("python", "from vllm import LLM\n\nllm = LLM('m')\n\n"),
        ("shell", "pip install vllm==0.8.5\n~~~\n"),
        ("yaml", "vllm:\n  swap_space: 4\n"),
        ("shell", "ls\n"),
        ("dockerfile", "FROM x\n"),
    ]


def test_blocks_inside_quotes_and_lists() -> None:
    assert parts("> ```python\n> if x:\n>     y()\n> ```\n") == [("python", "if x:\n    y()\n\n")]
    assert parts("1. a\n\n    ```py\n    if x:\n        y()\n    ```\n") == [("python", "if x:\n    y()\n\n")]


def test_directives() -> None:
    assert parts(
        "Title\n=====\n\n.. code-block:: python\n   :linenos:\n   :caption: x\n\n   if x:\n\n       y()\n\n"
        "text\n\n  .. code:: bash\n\n     ls\n\n  more\n\n"
        ".. sourcecode:: yaml\n\n\ta: 1\n\n.. note::\n\n   x = 1\n",
        "index.rst",
    ) == [("python", "if x:\n\n    y()\n\n"), ("shell", "ls\n"), ("yaml", "a: 1\n")]


def test_prompts() -> None:
    assert parts("```pycon\n>>> if x:\n...     y()\n...\nprinted\n>>> z\n```\n") == [
        ("python", "if x:\n    y()\n\nz\n\n")
    ]
    assert parts(
        "```console\n$ vllm serve m \\\n    --port 1\nINFO ready\n(venv) me@host:~$ ls\n# id\n```\n"
    ) == [("shell", "vllm serve m \\\n    --port 1\nls\nid\n")]
    assert parts("```bash\n# a comment\n$ ls\nout\n```\n") == [("shell", "ls\n")]
    assert parts("```bash\n# a comment\nls\n```\n") == [("shell", "# a comment\nls\n")]


def test_pseudo_code_is_passed_over() -> None:
    text = "```python\nLLM(..., <your arguments>)\n```\n```py\nx = 1\n```\n```sh\necho 'vllm\n```\n"
    assert parts(text) == [("python", "x = 1\n\n")]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.md", "```python\nfrom vllm import LLM\n```\n\n```python\nLLM('m', swap_space=4)\n```\n", 6),
        ("a.mdx", "- x\n  ```bash\n  $ vllm serve m --swap-space 4\n  ```\n", 3),
        ("a.rst", ".. code-block:: yaml\n\n   engine_kwargs:\n     swap_space: 4\n", 4),
        ("a.md", "```dockerfile\nFROM x\nCMD vllm serve m --swap-space 4\n```\n", 3),
        ("a.md", '```dockerfile\nFROM x\nCMD ["vllm", "serve", "--swap-space", "4"]\n```\n', 3),
    ],
)
def test_what_is_found_is_a_note_that_edits_nothing(name: str, text: str, line: int) -> None:
    facts = read(text, name)
    findings = found(text, name)
    assert [finding.code for finding in findings] == ["VM201"]
    for finding in findings:
        assert (finding.level, finding.safety, finding.edits) == (Level.NOTE, Safety.MANUAL, ())
        assert finding.advice
        assert facts.source.count(b"\n", 0, finding.span.start) + 1 == line
        assert "swap" in facts.text(finding.span)
    assert plan_file(facts, findings, unsafe=True).after == facts.source


def test_a_document_says_nothing_about_the_project() -> None:
    facts = read("```bash\nexport VLLM_USE_V1=0\npip install vllm==0.6.3\n```\n")
    assert facts.parts[0].facts.pins
    assert list(facts.running) == [facts]
    assert (facts.pins, facts.variables) == ((), ())


def test_an_example_needs_no_main_guard() -> None:
    assert "VM801" not in {f.code for f in found("```python\nfrom vllm import LLM\nLLM('m')\n```\n")}


PIECES = [
    "```", "~~~", "````", "python", "bash", "yaml", "dockerfile", "{code-block} ", "\n", "\n", "> ", "  ",
    "\t", "- ", "$ ", ">>> ", "... ", "x = 1", "vllm serve m --swap-space 4", "from vllm import LLM", "a: 1",
    "é", ".. code-block:: ", "\r\n", ":x: y", "FROM x", "RUN ls",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(["a.md", "a.rst"]))
def test_parts_are_made_of_the_document(text: str, name: str) -> None:
    facts = read(text, name)
    for part in facts.parts:
        at = 0
        for segment in part.segments:
            assert segment.at == at
            at += segment.size
            written = facts.source[segment.start : segment.end]
            assert segment.solid or part.facts.source[segment.at : at] == written
        assert at == len(part.facts.source)
    for finding in found(text, name):
        assert finding.level is Level.NOTE
        assert 0 <= finding.span.start <= finding.span.end <= len(facts.source)
