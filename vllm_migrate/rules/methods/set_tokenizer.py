"""What becomes of `llm.set_tokenizer(tokenizer)`, where the code shows where the tokenizer comes from.

The engine loads its own tokenizer, the model's. Where the one that is set is the same, read from the model's
path, the call goes. Where it is read from another path that is known when the engine is built, the engine is
given that path. A tokenizer that is changed on the way, or comes from elsewhere, is left to a person.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import AddArgument, RemoveStatement
from vllm_migrate.files.python import parse_python

if TYPE_CHECKING:
    from vllm_migrate.edits.model import Edit
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.files.positions import SourceText

_SAME_TOKENS = frozenset(
    {
        "cache_dir", "force_download", "local_files_only", "padding_side", "proxies", "token",
        "truncation_side", "trust_remote_code", "use_auth_token", "use_fast",
    }
)  # fmt: skip
"""Keywords of `from_pretrained` under which the tokens of a text stay the same."""
_OF_BATCHES = frozenset({"pad_token", "pad_token_id", "padding_side", "truncation_side"})
"""Attributes that only matter where texts are padded, which the engine doesn't do."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What takes the call's place.

    Attributes:
        edits: the call goes; the engine may be given the tokenizer's path.
        precondition: what must hold for that.
    """

    edits: tuple[Edit, ...]
    precondition: str


def dropped(file: FileFacts, call: Call) -> Dropped | None:
    """The edits that make a call of `LLM.set_tokenizer` unnecessary; None where a person has to decide."""
    parsed = parse_python(file.path, file.source)
    text, module = parsed.text, parsed.module
    statement, scope = _statement(module, text, call)
    if statement is None:
        return None
    assert isinstance(statement.value, ast.Call)  # noqa: S101 (`_statement` has looked)
    if len(statement.value.args) != 1 or statement.value.keywords:
        return None
    path = _path(statement.value.args[0], scope)
    engine = _engine(file, text, module, call)
    if path is None or engine is None or path.changes:
        return None
    built, around = engine
    model = _model(built)
    given = built.argument("tokenizer")
    own = given.value.source if given is not None else model
    source = file.text(text.span(path.node))
    same_scope = around is scope
    if len(built.positional) > 1 or not (same_scope or _is_the_same_everywhere(path.node)):
        return None
    span = text.span(statement)
    if source == own:
        return Dropped((RemoveStatement(span),), f"{source} still names the model's own tokenizer there")
    if (
        given is not None
        or built.open_ended
        or not same_scope
        or not _is_known_before(path.node, built, text, scope)
    ):
        return None
    return Dropped(
        (AddArgument(built.span, "tokenizer", source), RemoveStatement(span)),
        f"{source} is a path or a name, as the engine takes it",
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """Where a tokenizer is read from, and what is done to it that changes its tokens."""

    node: ast.expr
    changes: frozenset[str]


def _statement(module: ast.Module, text: SourceText, call: Call) -> tuple[ast.Expr | None, ast.AST]:
    """The statement that is nothing but this call, with the function it stands in."""
    scopes: list[ast.AST] = [node for node in ast.walk(module) if isinstance(node, _FUNCTIONS)]
    for scope in (*reversed(scopes), module):  # inner ones come last
        for node in ast.walk(scope):
            if isinstance(node, ast.Expr) and text.span(node.value) == call.span:
                return node, scope
    return None, module


def _path(tokenizer: ast.expr, scope: ast.AST) -> _Path | None:
    """Where the tokenizer is read from: `AutoTokenizer.from_pretrained(PATH)`, or a name for that."""
    changes: set[str] = set()
    if isinstance(tokenizer, (ast.Name, ast.Attribute)):
        written = ast.unparse(tokenizer)
        values = [
            node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == written for target in node.targets)
        ]
        if len(values) != 1:
            return None
        changes = _changes(written, scope)
        tokenizer = values[0]
    if not isinstance(tokenizer, ast.Call) or not isinstance(tokenizer.func, ast.Attribute):
        return None
    if tokenizer.func.attr != "from_pretrained" or "Tokenizer" not in ast.unparse(tokenizer.func.value):
        return None
    named = [k.value for k in tokenizer.keywords if k.arg == "pretrained_model_name_or_path"]
    paths = [*tokenizer.args, *named]
    changes |= {
        keyword.arg or "**"
        for keyword in tokenizer.keywords
        if keyword.arg not in _SAME_TOKENS and keyword.value not in named
    }
    return _Path(paths[0], frozenset(changes)) if len(paths) == 1 else None


def _changes(written: str, scope: ast.AST) -> set[str]:
    """What is set or added on a tokenizer that changes its tokens."""
    found = set()
    for node in ast.walk(scope):
        if not isinstance(node, ast.Attribute) or ast.unparse(node.value) != written:
            continue
        stored = isinstance(node.ctx, ast.Store) and node.attr not in _OF_BATCHES
        if stored or node.attr.startswith(("add_", "set_", "resize_")):
            found.add(node.attr)
    return found


def _engine(file: FileFacts, text: SourceText, module: ast.Module, call: Call) -> tuple[Call, ast.AST] | None:
    """The one call that builds the engine whose method is called, with the function it stands in."""
    calls = {one.span: one for one in file.calls if one.target == "vllm.LLM" and not one.dead}
    found: list[tuple[Call, ast.AST]] = []
    scopes: list[ast.AST] = [node for node in ast.walk(module) if isinstance(node, _FUNCTIONS)]
    taken: set[ast.AST] = set()
    for scope in (*reversed(scopes), module):
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and node not in taken and len(node.targets) == 1:
                taken.add(node)
                built = calls.get(text.span(node.value))
                if built is not None and ast.unparse(node.targets[0]) == call.receiver:
                    found.append((built, scope))
    return found[0] if len(found) == 1 else None


def _model(built: Call) -> str:
    named = built.argument("model")
    if named is not None:
        return named.value.source
    return built.positional[0][0].source if built.positional else ""


def _is_the_same_everywhere(path: ast.expr) -> bool:
    """Whether an expression means the same in another method: a text, or an attribute of `self`."""
    return isinstance(path, ast.Constant) or (
        isinstance(path, ast.Attribute) and ast.unparse(path).startswith("self.")
    )


def _is_known_before(path: ast.expr, built: Call, text: SourceText, scope: ast.AST) -> bool:
    """Whether an expression has its value when the engine is built: a text, or names bound earlier."""
    if isinstance(path, ast.Constant):
        return isinstance(path.value, str)
    names = {node.id for node in ast.walk(path) if isinstance(node, ast.Name)}
    if not isinstance(path, (ast.Name, ast.Attribute)) or not names:
        return False
    return not any(
        isinstance(node, (ast.Name, ast.Attribute))
        and isinstance(node.ctx, ast.Store)
        and (ast.unparse(node) == ast.unparse(path) or getattr(node, "id", "") in names)
        and text.span(node).start > built.span.start
        for node in ast.walk(scope)
    )
