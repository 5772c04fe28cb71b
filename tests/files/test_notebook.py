"""Notebooks: what is in their cells, and that writing a cell changes nothing else."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vllm_migrate.edits.model import Splice
from vllm_migrate.edits.notebook import cell_splices
from vllm_migrate.edits.splice import apply_splices
from vllm_migrate.errors import InputError
from vllm_migrate.files.adapters import read_file
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.files.magics import contents
from vllm_migrate.files.notebook_json import code_cells

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def notebook(
    *cells: str, listed: bool = True, indent: int | str | None = 1, ascii_only: bool = True
) -> bytes:
    value = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": 3,
                "metadata": {"tags": ["é"]},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": ["swap_space=4\n"]}],
                "source": text.splitlines(keepends=True) if listed else text,
            }
            for text in cells
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n").encode()


def read(source: bytes) -> FileFacts:
    return read_file(PurePosixPath("a.ipynb"), FileKind.NOTEBOOK, source, None, None)


def module(source: bytes) -> str:
    return read(source).parts[0].facts.source.decode()


def commands(source: bytes) -> list[str]:
    return [part.facts.source.decode() for part in read(source).parts[1:]]


def test_the_cells_are_one_module_with_magics_masked() -> None:
    source = notebook(
        "%pip install vllm==0.8.5\nimport os",
        "",
        "%%time\nfrom vllm import LLM\nfiles = !ls *.py",
        "%%bash\nexport VLLM_USE_V1=0\n",
        "llm = LLM('m')\nllm?\n?LLM\nif files:\n    !nvidia-smi\n    %time llm.generate('a')",
    )
    assert module(source) == (
        "None\nimport os\n\nNone\nfrom vllm import LLM\nfiles = None\nNone\n"
        "llm = LLM('m')\nNone\nNone\nif files:\n    None\n    llm.generate('a')\n"
    )
    assert commands(source) == [
        "pip install vllm==0.8.5",
        "ls *.py",
        "export VLLM_USE_V1=0\n",
        "nvidia-smi",
    ]


def test_pip_install_needs_no_mark() -> None:
    source = notebook("pip install vllm==0.8.5\nimport os", "if old:\n    uv pip install vllm==0.8.5")
    assert module(source) == "None\nimport os\nif old:\n    None\n"
    assert commands(source) == ["pip install vllm==0.8.5", "uv pip install vllm==0.8.5"]


def test_names_of_earlier_cells_are_seen_in_later_ones() -> None:
    facts = read(notebook("from vllm import LLM", "llm = LLM('m', swap_space=4)", "llm.generate('a')"))
    code = facts.parts[0]
    assert [call.target for call in code.facts.calls] == ["vllm.LLM", "vllm.LLM.generate"]
    assert code.place_name(code.facts.calls[1].span) == "cell 3, line 1"
    assert facts.text(code.outward(code.facts.arguments[0].span)) == "swap_space=4"


@pytest.mark.parametrize(
    "text",
    [
        'x = """\n!not a command\n%s\n"""',
        "x = (a\n  % b)",
        "x = a \\\n  % b",
        "print('%d' % 3)  # why?",
        "s = '''a\n? b\n'''",
        "'a?'",
        "x != y",
        "pip = 3\npip",
        "f('''\npip install vllm\n''')",
    ],
)
def test_what_only_looks_like_a_magic_is_python(text: str) -> None:
    source = notebook(text + "\n!ls")
    assert module(source) == f"{text}\nNone\n"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("%env VLLM_USE_V1=0", "VLLM_USE_V1", "0"),
        ("%env VLLM_USE_V1 0", "VLLM_USE_V1", "0"),
        ("%set_env VLLM_ATTENTION_BACKEND = XFORMERS", "VLLM_ATTENTION_BACKEND", "XFORMERS"),
        ("!VLLM_USE_V1=0 python train.py", "VLLM_USE_V1", "0"),
        ("%%bash\nset -e\nexport VLLM_USE_V1=0", "VLLM_USE_V1", "0"),
        ("%%writefile run.sh\nexport VLLM_USE_V1=0", "VLLM_USE_V1", "0"),
    ],
)
def test_variables_in_magics(text: str, name: str, value: str) -> None:
    facts = read(notebook(text))
    variables = [variable for inside in facts.running for variable in inside.variables]
    assert [(v.name, v.value.literal) for v in variables] == [(name, value)]


def test_flags_of_a_server_over_several_lines() -> None:
    facts = read(notebook("import os\n!vllm serve {model} \\\n    --swap-space 4\nx = 1"))
    part = facts.parts[1]
    assert [a.name for a in part.facts.arguments] == ["swap_space"]
    assert part.place_name(part.facts.arguments[0].span) == "cell 1, line 3"
    code = facts.parts[0]
    assert code.facts.source == b"import os\nNone\nx = 1\n"
    assert code.place_name(Span(15, 20)) == "cell 1, line 4"


def test_a_written_python_file_is_read_as_one() -> None:
    facts = read(notebook("%%writefile train.py\nfrom vllm import LLM\nLLM('m', swap_space=4)", "x = 1"))
    assert facts.parts[0].facts.source == b"None\nx = 1\n"
    assert [argument.name for argument in facts.parts[1].facts.arguments] == ["swap_space"]


def test_cells_of_other_languages_hold_no_python() -> None:
    source = notebook(
        "%%html\n<b>vllm?</b>", "%%javascript\nvar x = {};", "%%unknown\nthis is no python!", "y = 1"
    )
    assert module(source) == "None\nNone\nNone\ny = 1\n"
    assert commands(source) == []


def test_a_cell_may_be_indented_as_a_whole() -> None:
    source = notebook(
        "\n    !pip install vllm==0.8.5\n    x = 1\n    if x:\n        y = !ls\n  # odd\n", "z = 2"
    )
    assert module(source) == "\nNone\nx = 1\nif x:\n    y = None\n  # odd\n\nz = 2\n"
    assert commands(source) == ["pip install vllm==0.8.5", "ls"]


def test_a_cell_with_only_magics_and_empty_cells() -> None:
    assert module(notebook("%matplotlib inline\n%load_ext autoreload\n%autoreload 2", "", "\n")) == (
        "None\nNone\nNone\n\n\n\n"
    )
    assert read(notebook()).parts == ()


def test_a_declared_encoding_says_nothing_about_a_notebook() -> None:
    source = notebook("# -*- coding: latin-1 -*-\nx = 'é'", ascii_only=False)
    assert module(source).endswith("x = 'é'\n")


def test_other_languages_are_left_alone() -> None:
    value = json.loads(notebook("x <- 1"))
    value["metadata"]["language_info"]["name"] = "R"
    assert read(json.dumps(value).encode()).parts == ()


def test_documentation_cells_are_left_alone() -> None:
    value = json.loads(notebook("x = 1", "llm = LLM("))
    value["cells"][1]["cell_type"] = "markdown"
    value["cells"].append({"cell_type": "raw", "metadata": {}, "source": "!!"})
    assert module(json.dumps(value).encode()) == "x = 1\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "line 1: not valid JSON"),
        (b'{"cells": [\n{"cell_type": "code",}]}', "line 2: not valid JSON"),
        (b"[1]", "no notebook"),
        (b'{"a": 1}', "no notebook"),
        (b'{"nbformat": 3, "worksheets": [{"cells": []}]}', "a notebook of format 3"),
        (b'{"nbformat": 5, "cells": []}', "a notebook of format 5"),
        (b'{"nbformat": 4, "cells": {}}', "a notebook of format 4"),
        (b'{"nbformat": 4, "cells": [1]}', "cell 1 is no object"),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "cell 1: its source is no text"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}',
            "cell 1: its source is no text",
        ),
        (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud800"}]}', "half of a surrogate"),
        (b'{"nbformat": 4, "cells": ["\xe9"]}', "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_what_is_no_notebook_is_refused_in_a_line(source: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(source)
    assert "\n" not in caught.value.message


def test_a_syntax_error_says_the_cell_and_the_line() -> None:
    source = notebook("x = 1", "y = 2\nz = (", "w = 3)")
    line = source[: source.index(b'"z = (')].count(b"\n") + 1
    facts = read(source)
    assert [(at, said.partition(": syntax error")[0]) for at, said in facts.unread] == [
        (line, "cell 2, line 2"),
        (source[: source.index(b'"w = 3)')].count(b"\n") + 1, "cell 3, line 1"),
    ]
    assert module(source) == "x = 1\nNone\nNone\n"


def test_brackets_are_closed_where_they_were_opened() -> None:
    assert [said for _, said in read(notebook("x = (", "1)")).unread] == [
        "cell 1, line 1: syntax error: '(' was never closed",
        "cell 2, line 1: syntax error: unmatched ')'",
    ]


def test_a_mark_at_the_start_is_passed_over() -> None:
    assert module(b"\xef\xbb\xbf" + notebook("x = 1")) == "x = 1\n"


# Round trips

ODD = st.text(
    alphabet=st.sampled_from(
        [*"ab =()#'\"\\/\t\r\n{}[],", "é", "\u2028", "\x0c", "\x85", "😀", "\x00", "\x1f", "漢"]
    ),
    max_size=30,
)
STYLES = st.fixed_dictionaries(
    {
        "listed": st.booleans(),
        "indent": st.sampled_from([None, 0, 1, 2, 4, "\t"]),
        "ascii_only": st.booleans(),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ODD, min_size=1, max_size=4), STYLES)
def test_every_character_has_its_place(texts: list[str], style: dict[str, bool]) -> None:
    source = notebook(*texts, **style)  # type: ignore[arg-type]
    cells = code_cells(source)
    assert [cell.text for cell in cells] == texts
    for cell in cells:
        for index, character in enumerate(cell.text):
            place = cell.place(index, index + 1)
            assert json.loads(b'"' + source[place.start : place.end] + b'"') == character


@settings(max_examples=400, deadline=None)
@given(st.lists(ODD, min_size=1, max_size=3), STYLES, st.data())
def test_a_change_is_made_and_no_other(texts: list[str], style: dict[str, bool], data: st.DataObject) -> None:
    source = notebook(*texts, **style)  # type: ignore[arg-type]
    number = data.draw(st.integers(0, len(texts) - 1))
    text = texts[number]
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    new = data.draw(ODD)
    assume(first < last or new)
    cell = code_cells(source)[number]
    place = cell.place(first, last)
    splices = cell_splices(source, [Splice(place.start, place.end, new.encode())])
    after = apply_splices(source, splices)
    expected = [*texts[:number], text[:first] + new + text[last:], *texts[number + 1 :]]
    assert [c.text for c in code_cells(after)] == expected
    changed = code_cells(after)[number].value
    assert after[: changed.start] == source[: cell.value.start]
    assert after[changed.end :] == source[cell.value.end :]
    old, now = json.loads(source), json.loads(after)
    for one, other in zip(old["cells"], now["cells"], strict=True):
        del one["source"], other["source"]
    assert old == now
    assert isinstance(json.loads(after)["cells"][number]["source"], list if style["listed"] else str)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b = 1", "# é", "", "'\\n'", "x\r"]), min_size=1, max_size=6), st.data()
)
def test_changing_lines_gives_what_jupyter_would_write(lines: list[str], data: st.DataObject) -> None:
    """Whole lines taken out, put in or changed: the file is the one `json.dumps` writes of the new cell."""
    indent = data.draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    text = "\n".join(lines)
    source = notebook(text, "other = 1\nend = 2", indent=indent)
    starts = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.sampled_from(["", "c = 3\n", "c = 3\nd = 'é'\n"]))
    stop = starts[at + 1] if at + 1 < len(lines) and data.draw(st.booleans()) else starts[at]
    assume(stop > starts[at] or new)
    expected = text[: starts[at]] + new + text[stop:]
    assume(text and expected)
    place = code_cells(source)[0].place(starts[at], stop)
    after = apply_splices(source, cell_splices(source, [Splice(place.start, place.end, new.encode())]))
    assert after == notebook(expected, "other = 1\nend = 2", indent=indent)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "!ls",
                "%time x",
                "x = !ls",
                "?x",
                "x?",
                "%%bash",
                "'''",
                '"""',
                "(",
                ")",
                "#",
                "\n",
                "x = 1",
                " ",
                "\\",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_a_cell_is_taken_apart_without_overlap(text: str) -> None:
    found = contents(text)
    places = [(code.start, code.end) for code in found.code]
    assert all(0 <= start <= end <= len(text) for start, end in places)
    assert places == sorted(places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))
    assert all(0 <= c.start <= c.end <= len(text) for c in found.commands)
