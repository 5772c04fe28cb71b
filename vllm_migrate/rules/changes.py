"""The pages that list every change the facts know: what, since when, its effect, and which rule finds it."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.facts.loader import load_facts
from vllm_migrate.facts.model import Effect, Remedy, Subject, Target
from vllm_migrate.facts.source import parse_source
from vllm_migrate.files.adapters import kind_by_name, read_file
from vllm_migrate.resolve.project import build_index
from vllm_migrate.rules.base import Context
from vllm_migrate.rules.engine_arguments.lookup import has_successor
from vllm_migrate.rules.pages import write_pages
from vllm_migrate.rules.registry import all_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vllm_migrate.facts.model import Fact, State
    from vllm_migrate.rules.base import Example, Rule

_PAGES: Mapping[str, tuple[str, tuple[Subject, ...]]] = {
    "behaviour": ("What the engine does", (Subject.BEHAVIOUR,)),
    "defaults": ("Defaults of the engine", (Subject.DEFAULT,)),
    "engine-arguments": ("Engine arguments", (Subject.ENGINE_ARGUMENT, Subject.ARGUMENT_VALUE)),
    "sampling-arguments": ("Sampling parameters", (Subject.SAMPLING_ARGUMENT,)),
    "methods": ("Methods and their arguments", (Subject.METHOD, Subject.METHOD_ARGUMENT)),
    "attributes": ("Attributes of engines and outputs", (Subject.ATTRIBUTE,)),
    "variables": ("Environment variables", (Subject.VARIABLE,)),
    "flags": ("Flags of the server", (Subject.FLAG,)),
    "trl": ("TRL", (Subject.TRL_ARGUMENT, Subject.TRL_DEFAULT)),
    "imports": ("Imports", (Subject.IMPORT,)),
}

READ_ELSEWHERE: Mapping[str, str] = {
    "async-engine-engine": "VM590",
    "async-generate-positional": "VM402",
    "apply-model-on-v1": "VM507",
    "attributes-of-sampling-params": "VM303",
    "chat-positional": "VM402",
    "engine-names-are-v1": "VM590",
    "external-launcher": "VM705",
    "engine-input-preprocessor": "VM590",
    "engine-processor": "VM590",
    "engine-scheduler": "VM590",
    "engine-stat-loggers": "VM590",
    "generate-needs-prompts": "VM401",
    "generate-positional": "VM402",
    "last-release-with-v0": "VM901",
    "llm-positional": "VM402",
    "quantised-weight-update": "VM510",
    "request-guided-backend": "VM307",
    "sampling-params-positional": "VM304",
    "scheduler-config-max-model-len": "VM590",
    "sleep-level-2": "VM508",
    "update-while-generating": "VM509",
    "watermarking-field": "VM304",
    "weight-update-keeps-the-cache": "VM706",
}
"""Rows whose rules read what they find from signatures, surfaces or other rows."""

NOT_IN_CODE: Mapping[str, str] = {
    "engine-chosen-by-features": "which engine a release chose was decided by model and machine",
    "float32-matmul-precision": "0.13 alone had other values, and refused those of today",
    "generation-config-fields": "the checkpoint's generation_config.json says which defaults it has",
    "lora-same-id": "V0 kept the old adapter, too; whether an id comes again is known when it runs",
    "min-tokens-and-stop-strings": "V1 alone before 0.10.1, which is no target",
    "openai-best-of": "OpenAI's own API has the field, and a client does not say whose server it asks",
    "rank-of-ties": "which tokens tie is known when it runs",
    "sleep-and-the-cache": "V1 alone before 0.10.1, which is no target",
}
"""Rows that crash or change silently and that no rule finds: why no code can show them."""

_EFFECTS = {
    Effect.CRASH: "crash",
    Effect.SILENT: "silent",
    Effect.DEPRECATED: "deprecated",
    Effect.SLOW: "slower",
    Effect.NONE: "none",
}


def pages() -> dict[str, str]:
    """All pages by file name, the index among them."""
    facts = {key: _facts(subjects) for key, (_, subjects) in _PAGES.items()}
    index = [
        f"| [{title}]({key}.md) | {len(facts[key])} | {sum(map(_is_found, facts[key]))} |"
        for key, (title, _) in _PAGES.items()
    ]
    head = (
        "# What changed\n\n"
        "Every change of vLLM's and TRL's that the tool knows, release by release. `since` is the first"
        " release in which it holds for the V1 engine; V1 alone stands where it came with the engine, and a"
        " release after `until` is the first without it. The effect is that on a run that is not migrated:"
        " silent means that it runs on with another training signal.\n\n"
        "| what | rows | found by a rule |\n|---|---|---|\n"
    )
    return {
        "README.md": head + "\n".join(index) + "\n",
        **{f"{key}.md": _page(title, facts[key]) for key, (title, _) in _PAGES.items()},
    }


def finders(fact: Fact) -> tuple[str, ...]:
    """The codes of the rules that find a row in code; empty where none does."""
    found = {*_in_examples().get(fact.id, ()), *_by_subject(fact)}
    if fact.id in READ_ELSEWHERE:
        found.add(READ_ELSEWHERE[fact.id])
    return tuple(sorted(found))


def _facts(subjects: tuple[Subject, ...]) -> list[Fact]:
    facts = (fact for subject in subjects for fact in load_facts().about(subject))
    return sorted(facts, key=lambda fact: (fact.name.lower(), fact.id))


def _page(title: str, facts: list[Fact]) -> str:
    rows = [
        f"| {_name(fact)} | {_cell(fact.because)} | {_since(fact)} | {_EFFECTS[fact.effect]} "
        f"| {_cell(_instead(fact))} | {_tool(fact)} |"
        for fact in facts
    ]
    head = f"# {title}\n\n| what | why | since | effect | instead | the tool |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _name(fact: Fact) -> str:
    plain = fact.subject is Subject.BEHAVIOUR or fact.subject is Subject.DEFAULT
    return fact.id if plain else f"`{fact.name}`"


def _since(fact: Fact) -> str:
    changed = _change(fact)
    if changed is None:
        return "always"
    prefix = "TRL " if fact.package == "trl" else ""
    began = f"{prefix}{changed.since}" if changed.since else "V1" if changed.engine == "v1" else "always"
    is_over = changed.until is not None and fact.states[-1].remedy is Remedy.NONE
    return f"{began}, until {changed.until}" if is_over and changed.remedy is not Remedy.NONE else began


def _change(fact: Fact) -> State | None:
    """The state that a finding is about: the first that asks for something, else the newest."""
    asks = (state for state in fact.states if state.remedy is not Remedy.NONE)
    return next(asks, fact.states[-1] if len(fact.states) > 1 else None)


def _instead(fact: Fact) -> str:
    changed = _change(fact)
    if fact.subject is Subject.TRL_DEFAULT and not fact.advice:
        return " -> ".join(dict.fromkeys(_default(state) for state in fact.states))
    if fact.advice or changed is None:
        return fact.advice
    if changed.remedy is Remedy.DROP:
        return "nothing: it goes"
    if changed.to:
        return f"`{fact.states[-1].to or changed.to}`"
    if any(changed.values.values()):
        return "by value: " + ", ".join(f"`{v}`" for v in changed.values.values() if v)
    return ""


def _default(state: State) -> str:
    """A default of TRL's, as what says it where there was no such field."""
    return state.to if state.holds == "absent" and state.to else state.holds


def _tool(fact: Fact) -> str:
    codes = finders(fact)
    said = [f"[{code}](../rules/{code}.md)" for code in codes]
    if fact.audit:
        said.append("audit")
    if not said:
        reason = NOT_IN_CODE.get(fact.id)
        here = f"reported here only: {_cell(reason)}" if reason else "reported here only"
        said.append("nothing to repair" if fact.effect is Effect.NONE else here)
    return ", ".join(said)


def _is_found(fact: Fact) -> bool:
    return bool(finders(fact))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _by_subject(fact: Fact) -> tuple[str, ...]:
    """The rules that go through all rows of a kind."""
    changed = _change(fact)
    if changed is None or changed.remedy is Remedy.NONE:
        return ()
    if fact.subject is Subject.IMPORT:
        return ("VM101",) if any(state.remedy is Remedy.MOVE for state in fact.states) else ("VM102",)
    if fact.subject in (Subject.ENGINE_ARGUMENT, Subject.FLAG):
        return ("VM202",) if has_successor(changed) else ("VM201",)
    if fact.subject is Subject.SAMPLING_ARGUMENT:
        return ("VM302",) if fact.name.startswith("guided") else ("VM301", "VM303")
    if fact.subject is Subject.METHOD_ARGUMENT:
        return ("VM401",) if fact.name.endswith(".prompt_token_ids") else _of_calls(fact)
    if fact.subject is Subject.TRL_DEFAULT:
        return ("VM602",) if fact.effect is Effect.SILENT else ()
    by_kind = {
        Subject.ARGUMENT_VALUE: "VM204",
        Subject.METHOD: "VM410",
        Subject.TRL_ARGUMENT: "VM601",
    }
    if fact.subject is Subject.VARIABLE:
        own = {"VLLM_USE_V1": "VM802", "VLLM_ATTENTION_BACKEND": "VM803"}
        return (own.get(fact.name, "VM804"),)
    return (by_kind[fact.subject],) if fact.subject in by_kind else ()


def _of_calls(fact: Fact) -> tuple[str, ...]:
    """Arguments of methods that users override are no arguments of calls."""
    return () if fact.name.count(".") > 1 else ("VM410",)


@lru_cache(maxsize=1)
def _in_examples() -> Mapping[str, frozenset[str]]:
    """Which rules name a row in what they find in their own examples."""
    found: dict[str, set[str]] = {}
    for rule in all_rules():
        for example in rule.examples:
            for fact in _named(rule, example):
                found.setdefault(fact, set()).add(rule.code)
    return {fact: frozenset(codes) for fact, codes in found.items()}


def _named(rule: Rule, example: Example) -> Iterator[str]:
    path, source = PurePosixPath(example.file_name), example.before.encode()
    kind = kind_by_name(example.file_name)
    if kind is None or example.unchanged:
        return
    target = Target("vllm", Version(example.target))
    index = build_index([(path, source)] if path.suffix == ".py" else [])
    file = read_file(path, kind, source, index, target)
    context = Context(parse_source(example.source), target, load_facts(), file.use)
    yield from (finding.fact for finding in rule.find(file, context) if finding.fact)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), pages())
