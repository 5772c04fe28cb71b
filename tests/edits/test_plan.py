"""Which findings go together, and what is refused with which reason."""

from __future__ import annotations

from pathlib import PurePosixPath

from vllm_migrate.edits.model import (
    AddArgument,
    Edit,
    Finding,
    InsertStatement,
    Level,
    MoveImport,
    RemoveArgument,
    RemoveStatement,
    RenameArgument,
    ReplaceExpression,
    ReplaceText,
    Safety,
    WrapInMain,
)
from vllm_migrate.edits.plan import plan_file
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.resolve.python import read_python

PATH = PurePosixPath("a.py")


def at(source: bytes, text: bytes) -> Span:
    start = source.index(text)
    return Span(start, start + len(text))


def finding(code: str, *edits: Edit, start: int = 0, safety: Safety = Safety.SAFE) -> Finding:
    return Finding(code, "test", PATH, Span(start, start), Level.ERROR, safety, "m", edits=edits)


def python(source: bytes) -> FileFacts:
    return read_python(PATH, source, None, None)


def test_nothing_to_do_leaves_the_file_alone():
    facts = python(b"x = 1\n")
    plan = plan_file(facts, [finding("VM1")], unsafe=False)
    assert plan.after is plan.before
    assert plan.applied == plan.refused == ()


def test_unsafe_edits_wait_for_the_switch():
    source = b"f(a=1)\n"
    group = finding("VM1", RemoveArgument(at(source, b"a=1")), safety=Safety.UNSAFE)
    assert plan_file(python(source), [group], unsafe=False).after == source
    assert plan_file(python(source), [group], unsafe=True).after == b"f()\n"


def test_manual_findings_are_never_applied():
    source = b"f(a=1)\n"
    group = finding("VM1", RemoveArgument(at(source, b"a=1")), safety=Safety.MANUAL)
    assert plan_file(python(source), [group], unsafe=True).after == source


def test_the_first_of_two_contradicting_findings_wins():
    source = b"f(a=1)\n"
    first = finding("VM1", RemoveArgument(at(source, b"a=1")), start=0)
    second = finding("VM2", RenameArgument(at(source, b"a=1"), "b"), start=1)
    plan = plan_file(python(source), [second, first], unsafe=False)
    assert plan.after == b"f()\n"
    assert plan.applied == (first,)
    assert [(f.code, "VM1" in reason) for f, reason in plan.refused] == [("VM2", True)]


def test_identical_edits_of_two_findings_are_made_once():
    source = b"f(a=1, b=2)\n"
    groups = [finding(code, RemoveArgument(at(source, b"a=1"))) for code in ("VM1", "VM2")]
    plan = plan_file(python(source), groups, unsafe=False)
    assert plan.after == b"f(b=2)\n"
    assert plan.applied == tuple(groups)


def test_a_finding_is_applied_whole_or_not_at_all():
    source = b"f(a=1, b=2)\n"
    broken = finding(
        "VM1", RemoveArgument(at(source, b"a=1")), ReplaceExpression(at(source, b"2"), "not ("), start=0
    )
    good = finding("VM2", RemoveArgument(at(source, b"b=2")), start=1)
    plan = plan_file(python(source), [broken], unsafe=False)
    assert plan.after == source
    assert "no expression" in plan.refused[0][1]
    assert plan_file(python(source), [good], unsafe=False).after == b"f(a=1)\n"


def test_a_bad_finding_does_not_cost_the_others():
    source = b"f(a=1)\ng(b=2)\n"
    broken = finding("VM1", ReplaceExpression(at(source, b"f(a"), "x"), start=0)
    good = finding("VM2", RemoveArgument(at(source, b"b=2")), start=1)
    plan = plan_file(python(source), [broken, good], unsafe=False)
    assert plan.after == b"f(a=1)\ng()\n"
    assert plan.applied == (good,)
    assert [f for f, _ in plan.refused] == [broken]


def test_an_edit_inside_a_removed_statement_is_refused():
    source = b"x = f(a=1)\ny = 2\n"
    outer = finding("VM1", RemoveStatement(at(source, b"x = f(a=1)")), start=0)
    inner = finding("VM2", AddArgument(at(source, b"f(a=1)"), "b", "2"), start=1)
    plan = plan_file(python(source), [outer, inner], unsafe=False)
    assert plan.after == b"y = 2\n"
    assert [f for f, _ in plan.refused] == [inner]


def test_an_argument_that_is_there_is_not_added():
    source = b"f(a=1)\n"
    plan = plan_file(
        python(source), [finding("VM1", AddArgument(at(source, b"f(a=1)"), "a", "2"))], unsafe=False
    )
    assert plan.after == source
    assert "given a already" in plan.refused[0][1]


def test_the_same_argument_with_two_values_is_added_once():
    source = b"f()\n"
    groups = [finding(f"VM{n}", AddArgument(Span(0, 3), "a", str(n)), start=n) for n in (1, 2)]
    plan = plan_file(python(source), groups, unsafe=False)
    assert plan.after == b"f(a=1)\n"
    assert len(plan.refused) == 1


def test_an_edit_that_would_not_parse_is_refused():
    source = b"f(a=1)\n"
    plan = plan_file(python(source), [finding("VM1", ReplaceText(at(source, b"("), "[["))], unsafe=False)
    assert plan.after == source
    assert "would not parse" in plan.refused[0][1]


def test_code_that_is_no_statement_is_refused():
    source = b"f()\n"
    plan = plan_file(python(source), [finding("VM1", InsertStatement(Span(0, 3), "for"))], unsafe=False)
    assert plan.after == source
    assert "no statement" in plan.refused[0][1]


def test_a_module_whose_path_is_spelled_out_below_does_not_move():
    source = b"import a.b\na.b.c()\n"
    plan = plan_file(
        python(source), [finding("VM1", MoveImport(at(source, b"a.b"), "x.y", ""))], unsafe=False
    )
    assert plan.after == source
    assert "spell" in plan.refused[0][1]


def test_a_star_import_does_not_move():
    source = b"from a import *\n"
    plan = plan_file(python(source), [finding("VM1", MoveImport(at(source, b"*"), "x", "y"))], unsafe=False)
    assert plan.after == source
    assert plan.refused


def test_main_is_refused_where_functions_read_what_would_move():
    source = b"def f():\n    return llm\n\n\nllm = 1\nf()\n"
    plan = plan_file(python(source), [finding("VM1", WrapInMain(at(source, b"llm = 1")))], unsafe=False)
    assert plan.after == source
    assert "llm" in plan.refused[0][1]


def test_main_is_refused_where_definitions_would_move():
    source = b"llm = 1\n\n\ndef f():\n    return 2\n"
    plan = plan_file(python(source), [finding("VM1", WrapInMain(at(source, b"llm = 1")))], unsafe=False)
    assert plan.after == source


def test_main_goes_together_with_arguments():
    source = b"import os\n\nllm = LLM(a=1)\n"
    groups = [
        finding("VM1", WrapInMain(at(source, b"llm = LLM(a=1)")), start=0),
        finding("VM2", RemoveArgument(at(source, b"a=1")), start=1),
    ]
    plan = plan_file(python(source), groups, unsafe=False)
    assert plan.refused == ()
    assert b"    llm = LLM()\n" in plan.after


def test_a_letter_the_encoding_lacks_is_refused():
    source = b"# coding: latin-1\nf(a=1)\n"
    plan = plan_file(
        python(source), [finding("VM1", ReplaceExpression(at(source, b"1"), '"\u65e5"'))], unsafe=False
    )
    assert plan.after == source
    assert plan.refused


def test_other_kinds_of_file_are_spliced():
    source = b"swap_space: 4\nseed: 1\n"
    facts = FileFacts(PurePosixPath("a.yaml"), FileKind.YAML, source)
    groups = [
        finding("VM1", ReplaceText(at(source, b"swap_space: 4\n"), ""), start=0),
        finding("VM2", ReplaceText(at(source, b"seed: 1"), "seed: 2"), start=1),
    ]
    plan = plan_file(facts, groups, unsafe=False)
    assert plan.after == b"seed: 2\n"
    assert [(s.start, s.end, s.text) for s in plan.splices] == [(0, 14, b""), (14, 21, b"seed: 2")]


def test_overlapping_text_edits_are_refused():
    source = b"a: 1\n"
    facts = FileFacts(PurePosixPath("a.yaml"), FileKind.YAML, source)
    groups = [
        finding("VM1", ReplaceText(Span(0, 4), "b: 1"), start=0),
        finding("VM2", ReplaceText(Span(3, 5), "2\n"), start=1),
    ]
    plan = plan_file(facts, groups, unsafe=False)
    assert plan.after == b"b: 1\n"
    assert [f.code for f, _ in plan.refused] == ["VM2"]


def test_python_edits_have_no_place_in_other_files():
    facts = FileFacts(PurePosixPath("a.yaml"), FileKind.YAML, b"a: 1\n")
    plan = plan_file(facts, [finding("VM1", RemoveArgument(Span(0, 4)))], unsafe=False)
    assert plan.after == plan.before
    assert "only text" in plan.refused[0][1]
