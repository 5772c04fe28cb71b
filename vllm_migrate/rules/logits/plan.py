"""What becomes of the processors that a file gives with its requests."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import (
    AddArgument,
    AddImport,
    InsertStatement,
    RenameArgument,
    ReplaceExpression,
)
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import Form
from vllm_migrate.rules.engines import engine_calls
from vllm_migrate.rules.finding import one_line
from vllm_migrate.rules.logits.adapter import read_processors
from vllm_migrate.rules.logits.constant import as_parameter
from vllm_migrate.rules.logits.sites import NAME
from vllm_migrate.rules.module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call, Span
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.logits.adapter import Processor
    from vllm_migrate.rules.logits.sites import Read, Site

_HOME = "vllm.v1.sample.logits_processor"
_BASE = "AdapterLogitsProcessor"
RUNNER = "VLLM_USE_V2_MODEL_RUNNER"


class Plan:
    """What becomes of all processors of a file: its engines have to be built with all their adapters."""

    def __init__(self, file: FileFacts, read: Read, context: Context) -> None:
        self._file = file
        self._text = read.text
        self._module = Module(read.tree)
        self._engines = tuple(engine_calls(file))
        self._adapters: dict[str, Processor] = {}
        self._processors: dict[Span, tuple[Processor, ...]] = {}
        self._other_runner = (
            context.facts.on_target(Subject.BEHAVIOUR, "v2-runner-logits-processors", context.target)
            is not None
        )
        for site in read.sites:
            if site.node is None or self._parameter(site) is not None:
                continue
            processors = read_processors(site.node, self._module)
            if processors is None or any(self._adapters.get(p.key, p).make != p.make for p in processors):
                continue
            self._processors[site.span] = processors
            self._adapters.update({p.key: p for p in processors})

    def mended(self, site: Site) -> tuple[tuple[Edit, ...], str]:
        """The edits for one place, or none and what to write."""
        parameter = self._parameter(site)
        if parameter is not None:
            return self._written(site, *parameter), f"{parameter[0]}={parameter[1]}"
        processors = self._processors.get(site.span)
        if processors is None:
            return (), self._by_hand(one_line(site.source))
        carried = ", ".join(f'"{p.key}": {p.carried}' for p in processors)
        written = self._written(site, "extra_args", f"{{{carried}}}")
        engine = self._engine_edits()
        if not written or not engine:
            return (), self._told(processors, f"{{{carried}}}")
        return (*written, *engine), ""

    def _parameter(self, site: Site) -> tuple[str, str] | None:
        """The sampling parameter that one processor comes to, where nothing was written for it yet."""
        node = site.node
        only = node.elts[0] if isinstance(node, ast.List) and len(node.elts) == 1 else None
        found = as_parameter(only, self._module) if only is not None else None
        call = self._call(site)
        if found is None or (call is not None and (call.argument(found[0]) or call.open_ended)):
            return None
        return found if self._written(site, *found) else None

    def _call(self, site: Site) -> Call | None:
        argument = site.argument
        return self._file.calls[argument.call] if argument is not None and argument.call >= 0 else None

    def _written(self, site: Site, name: str, value: str) -> tuple[Edit, ...]:
        """The edits that write `name=value` in the place of the processors."""
        if site.argument is not None:
            call = self._call(site)
            if site.argument.form not in (Form.KEYWORD, Form.DICT) or (call and call.argument(name)):
                return ()
            return (RenameArgument(site.argument.span, name, value),)
        receiver = self._file.text(site.span).removesuffix(f".{NAME}")
        if f"{receiver}.{name}" in self._file.source.decode(self._file.encoding):
            return ()
        return (
            ReplaceExpression(site.span, f"{receiver}.{name}"),
            ReplaceExpression(site.value_span, value),
        )

    def _engine_edits(self) -> tuple[Edit, ...]:
        """The adapters, their import, and the engines built with them; none where that isn't here."""
        anchor = self._anchor()
        if anchor is None or not self._engines:
            return ()
        if any(call.argument(NAME) or call.open_ended for call in self._engines):
            return ()
        adapters = list(self._adapters.values())
        listed = ", ".join(p.adapter for p in adapters)
        code = "".join(f"\n\n{p.code}" for p in adapters)
        edits: list[Edit] = []
        if self._other_runner and RUNNER.encode() not in self._file.source:
            has_os = any(i.module == "os" and not i.name and i.alias == "os" for i in self._file.imports)
            environment = "os.environ" if has_os else "environ"
            code = f'\n{environment}["{RUNNER}"] = "0"  # the V2 runner takes other processors\n{code}'
            edits += [] if has_os else [AddImport("os", "environ")]
        near = next((i.statement for i in self._file.imports if i.module == "vllm" and not i.guarded), None)
        edits.append(AddImport(_HOME, _BASE, near))
        edits.append(InsertStatement(anchor, code))
        edits += [AddArgument(call.span, NAME, f"[{listed}]") for call in self._engines]
        return tuple(edits)

    def _anchor(self) -> Span | None:
        """The last import of the module before anything is defined."""
        last: ast.stmt | None = None
        for statement in self._module.tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                last = statement
            elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                break
        return self._text.span(last) if last is not None else None

    def _told(self, processors: Sequence[Processor], carried: str) -> str:
        """The whole replacement in words, for these processors."""
        classes = "; ".join(
            f"class {p.adapter}({_BASE}) with is_argmax_invariant() False and new_req_logits_processor(self,"
            f' params): arguments = (params.extra_args or {{}}).get("{p.key}"); return None if arguments is'
            f" None else {p.make}"
            for p in processors
        )
        listed = ", ".join(p.adapter for p in processors)
        return (
            f"in a module that the engine can import, from {_HOME} import {_BASE}: {classes}; build the"
            f" engine with {NAME}=[{listed}] and give the request extra_args={carried}{self._runner()}"
        )

    def _by_hand(self, source: str) -> str:
        return (
            f"make {source} in a class of a module that the engine can import: from {_HOME} import {_BASE};"
            " is_argmax_invariant() returns False, new_req_logits_processor(self, params) returns what"
            " params.extra_args ask for, or None; what needs a tokenizer makes it in"
            " __init__(self, vllm_config, device, is_pin_memory) from vllm_config.model_config.tokenizer;"
            f" build the engine with {NAME}=[ThatClass], give the request extra_args={{...}}{self._runner()}"
        )

    def _runner(self) -> str:
        return f", and set {RUNNER}=0 on GPUs" if self._other_runner else ""
