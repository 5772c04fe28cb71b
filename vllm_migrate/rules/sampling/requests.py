"""VM307: a client constrains decoding by request fields that the server ignores."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, RemoveArgument, RenameArgument, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.located import UNRESOLVED
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding, one_line, since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Argument
    from vllm_migrate.rules.base import Context

_BACKEND = "guided_decoding_backend"
_NEVER_NONE = (ast.Dict, ast.List, ast.ListComp, ast.JoinedStr, ast.Set, ast.Tuple)
_CLIENT = 'from openai import OpenAI\n\nclient = OpenAI(base_url="http://localhost:8000/v1", api_key="-")\n'


class GuidedRequest(Rule):
    """A request to vLLM's server is constrained by `guided_json` and the like.

    ## What it does
    Writes `"structured_outputs": {"json": ...}` instead of `"guided_json": ...` (likewise for `guided_regex`,
    `guided_choice` and `guided_grammar`) in the `extra_body=` of the OpenAI client, the `json=` of an HTTP
    client, and dictionaries that are written out as bodies. `guided_decoding_backend` goes: the server
    chooses its backend when it starts. A dictionary with several fields that neither OpenAI's API nor vLLM's
    has is sent to another server, or is no request, as are the arguments of a project's own function, a
    request that its own server has received, and a dictionary that an object of a class is made of,
    `PredictRequest(args=fields)`: they are left alone.

    ## Why it matters
    The server accepts fields it doesn't know and ignores them. The request succeeds, and its text is of any
    form: answers that no longer parse, rewards that drop for no visible reason.

    ## Fix safety
    Safe where the dictionary is what the client sends and the value is written out. Unsafe where the
    dictionary is built elsewhere or the value may be None, which the server refuses inside
    `structured_outputs`. Several constraints in one dictionary are left to a person.
    """

    code = "VM307"
    name = "guided-request"
    summary = "the server ignores guided_json and its kin"
    level = Level.WARNING
    safety = Safety.SAFE
    examples = (
        Example(
            before=(
                f"{_CLIENT}answer = client.chat.completions.create(\n"
                '    model="m",\n    messages=[],\n    extra_body={"guided_choice": ["yes", "no"]},\n)\n'
            ),
            after=(
                f"{_CLIENT}answer = client.chat.completions.create(\n"
                '    model="m",\n    messages=[],\n'
                '    extra_body={"structured_outputs": {"choice": ["yes", "no"]}},\n)\n'
            ),
        ),
        Example(
            before=(
                "import requests\n\n\ndef ask(url, schema):\n"
                '    body = {"model": "m", "prompt": "a", "guided_json": schema}\n'
                "    return requests.post(url, json=body)\n"
            ),
            after=(
                "import requests\n\n\ndef ask(url, schema):\n"
                '    body = {"model": "m", "prompt": "a", "structured_outputs": {"json": schema}}\n'
                "    return requests.post(url, json=body)\n"
            ),
            unsafe=True,
        ),
        Example(
            before=f'{_CLIENT}body = {{}}\nbody["guided_regex"] = "[0-9]+"\n',
            after=f'{_CLIENT}body = {{}}\nbody["structured_outputs"] = {{"regex": "[0-9]+"}}\n',
            unsafe=True,
        ),
        Example(
            before=(
                f'{_CLIENT}body = {{"guided_json": None, "guided_regex": "[0-9]+"}}\n'
                "answer = client.completions.create(extra_body=body)\n"
            ),
        ),
        Example(
            before=(
                "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
                '@app.post("/v1/chat/completions")\nasync def chat(request: dict):\n'
                '    fields = dict(request)\n    fields["guided_json"] = {"type": "object"}\n'
                "    return await answer(fields)\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                f'{_CLIENT}body = {{"guided_json": {{}}, "collection": "papers", "rerank": True}}\n'
                "answer = client.completions.create(extra_body=body)\n"
            ),
            unchanged=True,
        ),
        Example(
            before=(
                "from server import PredictRequest\n\n\nasync def complete(request, endpoint):\n"
                '    fields = {"prompt": request.prompt, "max_tokens": request.max_new_tokens}\n'
                '    fields["guided_json"] = request.guided_json\n'
                "    return await endpoint.predict(PredictRequest(args=fields))\n"
            ),
            unchanged=True,
        ),
        Example(before=f'{_CLIENT}body = {{"structured_outputs": {{"regex": "[0-9]+"}}}}\n', unchanged=True),
        Example(before=f'{_CLIENT}body = {{"guided_regex": "[0-9]+"}}\n', unchanged=True, target="0.11.0"),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the fields that the server ignores."""
        for argument in file.arguments:
            if argument.owner != "request" or argument.dead:
                continue
            backend = argument.name == _BACKEND
            row = f"request.{_BACKEND}" if backend else "request.guided"
            found = context.facts.on_target(Subject.BEHAVIOUR, row, context.target)
            if found is None:
                continue
            fact, state = found
            kind = argument.name.removeprefix("guided_")
            value = argument.value.source
            yield make_finding(
                self,
                file,
                argument.span,
                f"{argument.name} in a request means nothing{since(state)}: {fact.because}",
                fact=fact,
                safety=Safety.SAFE if backend or _never_none(argument) else Safety.UNSAFE,
                edits=_edits(argument, kind, backend=backend),
                advice=f"remove {argument.name}"
                if backend
                else f'"structured_outputs": {{"{kind}": {one_line(value)}}}, with one constraint in it',
                certainty=argument.certainty,
            )


def _edits(argument: Argument, kind: str, *, backend: bool) -> tuple[Edit, ...]:
    if backend:
        return (RemoveArgument(argument.span),)
    if argument.value_span is None:
        return ()
    return (RenameArgument(argument.span, "structured_outputs", f'{{"{kind}": {argument.value.source}}}'),)


def _never_none(argument: Argument) -> bool:
    """Whether the value can be seen not to be None."""
    if argument.value.literal is not UNRESOLVED:
        return argument.value.literal is not None
    try:
        tree = ast.parse(f"({argument.value.source})", mode="eval").body
    except SyntaxError:
        return False
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute):
        return tree.func.attr in ("model_json_schema", "schema", "join")
    return isinstance(tree, _NEVER_NONE)
