"""The shipped tables: they load, they don't contradict themselves, and the rules' facts are among them."""

from __future__ import annotations

import ast
import itertools
import re
import shutil
from pathlib import Path

import pytest
from packaging.version import Version

import vllm_migrate.rules
from vllm_migrate.errors import FactsError
from vllm_migrate.facts import loader
from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Engine, Fact, Remedy, Subject, Target
from vllm_migrate.facts.rows import check_instead, parse_fact, parse_gone, parse_move
from vllm_migrate.facts.surface.compare import comparison

_TABLE = load_facts()
_SHIPPED_BYTES = 3_000_000  # what the API surfaces and the tables may take in the package
_LOW, _HIGH = Version("0"), Version("9999")
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def test_ids_are_unique_and_every_table_says_something() -> None:
    assert len({fact.id for fact in _TABLE.facts}) == len(_TABLE.facts)
    assert {fact.subject for fact in _TABLE.facts} == set(Subject)


@pytest.mark.parametrize("engine", ["v0", "v1"])
def test_states_do_not_overlap(engine: str) -> None:
    for fact in _TABLE.facts:
        spans = sorted(
            (state.since or _LOW, state.until or _HIGH)
            for state in fact.states
            if state.engine in ("any", engine)
        )
        for start, end in spans:
            assert start < end, fact.id
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end <= start, fact.id


def test_texts_are_one_line_without_full_stop() -> None:
    for fact in _TABLE.facts:
        assert fact.because, fact.id
        assert fact.evidence, fact.id
        for text in (fact.because, fact.advice, fact.precondition):
            assert "\n" not in text, fact.id
            assert not text.endswith("."), fact.id
        assert fact.safety in {"safe", "unsafe", "manual"}, fact.id


def test_remedies_say_what_takes_the_place() -> None:
    for fact in _TABLE.facts:
        for state in fact.states:
            if state.remedy is Remedy.MOVE:
                assert _NAME.fullmatch(state.to), fact.id
                assert state.to != fact.name, fact.id
            elif state.remedy in (Remedy.RENAME, Remedy.SET) and fact.subject is not Subject.TRL_DEFAULT:
                assert state.to, fact.id
            for literal, text in state.values.items():
                ast.literal_eval(literal)
                ast.parse(f"f({text})", mode="eval")


def test_manual_facts_carry_advice_unless_the_rule_writes_it() -> None:
    for fact in _TABLE.facts:
        if fact.subject is Subject.IMPORT:
            continue
        if any(state.remedy is Remedy.MANUAL and not state.values for state in fact.states):
            assert fact.advice or fact.id == "raw-logprobs", fact.id


def test_every_fact_a_rule_names_is_there() -> None:
    names = {(fact.subject.name, fact.name) for fact in _TABLE.facts}
    asked = 0
    for module in Path(vllm_migrate.rules.__path__[0]).rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        for subject, name in re.findall(r'Subject\.(\w+),\s*"([^"]+)"', text):
            asked += 1
            assert (subject, name) in names, f"{module.name}: {subject} {name}"
        for name in re.findall(r'default_change\("([^"]+)"', text):
            asked += 1
            assert ("DEFAULT", name) in names, f"{module.name}: {name}"
    assert asked >= 12


@pytest.mark.parametrize(
    ("name", "target", "to"),
    [
        ("vllm.utils.get_open_port", "0.32.0", "vllm.utils.network_utils.get_open_port"),
        ("vllm.utils.get_open_port", "0.18.1", "vllm.utils.network_utils.get_open_port"),
        ("vllm.utils.get_open_port", "0.11.0", None),
        ("vllm.utils.FlexibleArgumentParser", "0.32.0", "vllm.utils.argparse_utils.FlexibleArgumentParser"),
        ("vllm.utils.set_ulimit", "0.32.0", "vllm.utils.system_utils.set_ulimit"),
        ("vllm.utils.Counter", "0.18.1", "vllm.utils.counter.Counter"),
        ("vllm.utils.random_uuid", "0.32.0", None),
        ("vllm.worker.worker.Worker", "0.32.0", "vllm.v1.worker.gpu_worker.Worker"),
        ("vllm.sequence.Logprob", "0.32.0", "vllm.logprobs.Logprob"),
        ("vllm.lora.models.LoRAModel", "0.18.1", "vllm.lora.lora_model.LoRAModel"),
        ("vllm.lora.models.LoRAModel", "0.12.0", None),
        ("vllm.inputs.data.TokensPrompt", "0.32.0", "vllm.inputs.TokensPrompt"),
        ("vllm.inputs.TokensPrompt", "0.32.0", None),
        (
            "vllm.entrypoints.openai.protocol.ErrorResponse",
            "0.18.1",
            "vllm.entrypoints.openai.engine.protocol.ErrorResponse",
        ),
        (
            "vllm.entrypoints.openai.protocol.ErrorResponse",
            "0.32.0",
            "vllm.entrypoints.serve.engine.protocol.ErrorResponse",
        ),
        ("vllm.LLM", "0.32.0", None),
        ("vllm.SamplingParams", "0.32.0", None),
    ],
)
def test_where_a_name_is(name: str, target: str, to: str | None) -> None:
    found = _TABLE.import_state(name, Target("vllm", Version(target)))
    assert (found[1].to if found else None) == to


def test_gone_names_go_with_their_parents() -> None:
    target = Target("vllm", Version("0.32.0"))
    found = _TABLE.import_state("vllm.core.scheduler.SchedulingBudget.add", target)
    assert found is not None
    assert found[0].name == "vllm.core.scheduler"
    assert found[1].remedy is Remedy.MANUAL


def test_default_states_depend_on_the_engine() -> None:
    fact = next(fact for fact in _TABLE.facts if fact.id == "raw-logprobs")

    def holds(version: str, engine: Engine) -> str:
        state = fact.at(Version(version), engine)
        return state.holds if state else ""

    assert holds("0.8.5", Engine.V0) == holds("0.8.5", Engine.UNKNOWN) == "of the sampling distribution"
    assert "no option" in holds("0.9.2", Engine.V1)
    assert "incomplete" in holds("0.10.1", Engine.V1)
    assert holds("0.32.0", Engine.V1) == "of the raw distribution"


_ROW = {
    "id": "x",
    "subject": "flag",
    "name": "x",
    "effect": "crash",
    "safety": "safe",
    "because": "b",
    "evidence": "e",
    "states": [{"holds": "a"}],
}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**_ROW, "typo": 1}, "unknown key typo"),
        ({**_ROW, "states": [{"holds": "a", "typo": 1}]}, "unknown key typo"),
        ({**_ROW, "subject": "nonsense"}, "nonsense"),
        ({key: value for key, value in _ROW.items() if key != "because"}, "because"),
    ],
)
def test_bad_fact(row: dict[str, object], words: str) -> None:
    with pytest.raises(FactsError, match=words):
        parse_fact(row)


def test_bad_shorthand() -> None:
    with pytest.raises(FactsError, match="unknown key typo"):
        list(parse_move({"from": "a", "until": "1", "to": [], "safety": "safe", "names": [], "typo": 1}))
    with pytest.raises(FactsError, match="no safety"):
        list(parse_move({"from": "a", "until": "1", "to": [], "names": []}))
    with pytest.raises(FactsError, match="no until"):
        list(parse_gone({"from": "a", "names": ["b"]}))


def test_a_move_with_a_gap_is_a_persons_until_its_place_is_there() -> None:
    row = {
        "from": "a",
        "until": "1",
        "to": [{"module": "b", "since": "2", "until": "3"}],
        "safety": "safe",
        "names": ["n"],
    }
    (fact,) = parse_move(row)
    assert isinstance(fact, Fact)
    remedies = [fact.states[i].remedy for i in range(4)]
    assert remedies == [Remedy.NONE, Remedy.MANUAL, Remedy.MOVE, Remedy.MANUAL]
    assert [str(state.since) for state in fact.states[1:]] == ["1", "2", "3"]


def test_the_compiled_tables_are_the_tables() -> None:
    assert loader.COMPILED.read_text(encoding="utf-8") == loader.compile_tables(), (
        "run `python -m vllm_migrate.facts.loader`"
    )


def test_tables_that_were_changed_since_are_read_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(loader.TABLES, tmp_path / "tables")
    table = tmp_path / "tables" / "flags.toml"
    assert 'name = "' in table.read_text(encoding="utf-8")
    table.write_text(
        table.read_text(encoding="utf-8").replace('name = "', 'name = "changed_', 1), encoding="utf-8"
    )
    monkeypatch.setattr(loader, "TABLES", tmp_path / "tables")
    monkeypatch.setattr(loader, "COMPILED", tmp_path / "tables" / "compiled.json")
    names = {fact.name for fact in loader.load_facts.__wrapped__().about(Subject.FLAG)}
    assert any(name.startswith("changed_") for name in names)
    assert len(names) == len({fact.name for fact in _TABLE.about(Subject.FLAG)})


def test_what_is_shipped_stays_small() -> None:
    data = (loader.TABLES, loader.TABLES.with_name("surface") / "data")
    sizes = [path.stat().st_size for folder in data for path in folder.rglob("*") if path.is_file()]
    assert len(sizes) > 15
    assert 1_000_000 < sum(sizes) <= _SHIPPED_BYTES


def test_what_is_used_instead_is_there_and_what_it_stands_for_is_not() -> None:
    surface = comparison("vllm", Version("0.32.0")).surface
    for name, advice in _TABLE.instead.items():
        assert not surface.has(name), name
        assert "\n" not in advice, name
        assert not advice.endswith("."), name
        for successor in re.findall(r"\bvllm(?:\.\w+)+", advice):
            assert surface.has(successor), f"{name}: {successor}"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"of": ["vllm.a"], "advice": "b"}, {"of": ["vllm.a"], "advice": "c"}], "two rows"),
        ([{"of": ["vllm.a"]}], "other keys"),
    ],
)
def test_rows_about_successors_are_checked(rows: list[dict[str, object]], said: str) -> None:
    with pytest.raises(FactsError, match=said):
        check_instead({"instead": rows})
