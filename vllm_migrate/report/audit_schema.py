"""The JSON Schema of the audit's report, made from the result's own types.

`python -m vllm_migrate.report.audit_schema docs/schema/audit.json` writes it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import types
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from vllm_migrate.audit.result import SCHEMA, Arm, AuditResult, Metrics
from vllm_migrate.report.audit_json import COMPARISONS, PER_TOKEN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE = re.compile(r"(\w+(?:, \w+)*): (.+)")


def schema() -> dict[str, Any]:
    """The schema as plain values. Keys that it does not name may be added in later releases."""
    about = "verdict is null where the audit could not judge; reason says why."
    return schema_of(AuditResult, SCHEMA, "audit", about)


def schema_of(result: type, name: str, command: str, about: str) -> dict[str, Any]:
    """The schema of a command's result, a dataclass; `name` is what its key "schema" holds."""
    made = Definitions()
    root = made.object_of(result)
    readers = "Figures that are not finite are null. Readers should ignore keys they do not know."
    return {
        "$schema": DIALECT,
        "title": f"Report of vllm-migrate {command}",
        "description": f"{about} {readers}",
        **root,
        "properties": {"schema": {"const": name}, **root["properties"]},
        "required": ["schema", *root["required"]],
        "$defs": dict(sorted(made.definitions.items())),
    }


def page() -> str:
    """The schema as it is published."""
    return page_of(schema())


def page_of(schema: dict[str, Any]) -> str:
    """A schema as text."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class Definitions:
    """Definitions by class name, filled while types are walked."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._classes: dict[str, type] = {}

    def object_of(self, cls: type) -> dict[str, Any]:
        """A dataclass as an object that has every field."""
        hints = get_type_hints(cls, localns=_names_in(sys.modules[cls.__module__]))
        about = _attributes(cls)
        properties: dict[str, Any] = {}
        for field in fields(cls):
            if cls is Arm and (field.name in PER_TOKEN or field.name in COMPARISONS):
                continue
            said = {"description": about[field.name]} if field.name in about else {}
            properties[field.name] = {**self.of(hints[field.name]), **said}
        if cls is Arm:
            metrics = {name: _nullable(self.of(Metrics)) for name in COMPARISONS}
            properties["metrics"] = {
                "type": "object",
                "properties": metrics,
                "required": list(metrics),
            }
        return {"type": "object", "properties": properties, "required": list(properties)}

    def of(self, hint: Any) -> dict[str, Any]:
        """What values of one type look like in the report."""
        origin, args = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            rest = [arg for arg in args if arg is not type(None)]
            inner = self.of(rest[0]) if len(rest) == 1 else {"anyOf": [self.of(arg) for arg in rest]}
            return _nullable(inner) if len(rest) < len(args) else inner
        if origin in (tuple, list, frozenset, set):
            return {"type": "array", "items": self.of(args[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(args[1])}
        if inspect.isclass(hint) and is_dataclass(hint):
            name = self._name_of(hint)
            if name not in self.definitions:
                self.definitions[name] = {}  # a type that holds itself meets this
                self.definitions[name] = self.object_of(hint)
            return {"$ref": f"#/$defs/{name}"}
        if inspect.isclass(hint) and issubclass(hint, Enum):
            return {"enum": [entry.value for entry in hint]}
        return _simple(hint)

    def _name_of(self, cls: type) -> str:
        """A class's name, with its room's in front where another class has it: "RewardCheck"."""
        if self._classes.setdefault(cls.__name__, cls) is cls:
            return cls.__name__
        return f"{cls.__module__.split('.')[1].title()}{cls.__name__}"


def _simple(hint: Any) -> dict[str, Any]:
    known: dict[Any, dict[str, Any]] = {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": ["number", "null"]},
        str: {"type": "string"},
        Any: {},
    }
    return known.get(hint, {"type": "string"})  # as the report writes what JSON has no form for


def _nullable(inner: dict[str, Any]) -> dict[str, Any]:
    kind = inner.get("type")
    if isinstance(kind, list):
        return inner if "null" in kind else {**inner, "type": [*kind, "null"]}
    if isinstance(kind, str):
        return {**inner, "type": [kind, "null"]}
    if "enum" in inner:
        return {"enum": [*inner["enum"], None]}
    return {"anyOf": [inner, {"type": "null"}]}


def _names_in(module: types.ModuleType) -> dict[str, Any]:
    """What a module imports for its annotations alone, which exists only while it is type-checked."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module:
            source = importlib.import_module(node.module)
            found |= {alias.asname or alias.name: getattr(source, alias.name) for alias in node.names}
    return found


def _attributes(cls: type) -> dict[str, str]:
    """What the docstring's `Attributes:` say of each field."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    about: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        match = _ATTRIBUTE.fullmatch(line.strip()) if line.startswith("    ") and line[4:5] != " " else None
        if match:
            names = match[1].split(", ")
            about |= dict.fromkeys(names, match[2])
        elif line.strip():
            about |= {name: f"{about[name]} {line.strip()}" for name in names}
        else:
            names = []
    return {name: said.replace("None", "null") for name, said in about.items()}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
