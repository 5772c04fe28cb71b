"""In which way a reward wants to be called, from its signature."""

from __future__ import annotations

from .loaded import Refused
from .signature import parameters_of, takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .signature import Parameter

TRL, VERL, AUTO = "trl", "verl", "auto"
TEXT, PROMPT, ANSWER = "text", "prompt", "answer"

_ROLES = {
    TEXT: (
        "completion", "response", "text", "output", "generation", "generated", "generated_text", "pred",
        "prediction", "predicted", "model_output", "model_response", "solution_str", "response_str",
        "completion_text", "response_text", "candidate", "predict", "predict_str", "content", "sample",
    ),
    PROMPT: ("prompt", "question", "query", "instruction", "problem", "prompt_text", "user_prompt"),
    ANSWER: (
        "answer", "ground_truth", "gold", "reference", "target", "label", "expected", "truth", "gt",
        "gold_answer", "reference_answer", "correct_answer", "expected_answer", "ref", "golden", "solution",
    ),
}  # fmt: skip
"""Names that people give to the arguments of a function of one text."""

_MANY = {
    "batch", "texts", "outputs", "responses", "samples", "inputs", "items", "data", "rows", "examples",
    "messages", "conversation", "conversations", "trajectory", "trajectories", "state", "args", "kwargs",
}  # fmt: skip
"""Names of a single argument that is no single text, or may be none."""

_OF_TRAINING = ("trainer_state", "log_extra", "log_metric")
"""What TRL hands to a function besides columns, from within a training."""


class Style:
    """How to call a function.

    Attributes:
        kind: TRL, VERL, or TEXT for a call per text.
        names: what it takes by keyword, None for everything: TRL and verl.
        roles: what it is given, by parameter's name where `by_name`, else in this order: TEXT.
        said: in words.
    """

    def __init__(
        self,
        kind: str,
        said: str,
        *,
        names: frozenset[str] | None = None,
        roles: tuple[tuple[str, str], ...] = (),
        by_name: bool = False,
    ) -> None:
        self.kind = kind
        self.said = said
        self.names = names
        self.roles = roles
        self.by_name = by_name

    def wants(self, name: str) -> bool:
        """Whether it is given an argument of this name."""
        return self.kind != TEXT and (self.names is None or name in self.names)


def style_of(function: Any, asked: str) -> Style:
    """The style that was asked for, or the one that the signature shows.

    Args:
        function: any callable.
        asked: "auto", "trl", "verl", or roles of one text's arguments in their order: "text",
            "prompt-text", "text-answer", "prompt-text-answer".

    Raises:
        Refused: the signature leaves it open, or contradicts what was asked for.
    """
    parameters = parameters_of(function)
    if asked != AUTO:
        return _asked(asked, parameters)
    if parameters is None:
        raise Refused(f"has no signature to read its style from; {_ASK}")
    names = {one.name for one in parameters if one.keyword}
    if names & {"completions", "completion_ids"}:  # TRL's get_soft_overlong_punishment takes ids alone
        return _trl(parameters)
    if "solution_str" in names and ("ground_truth" in names or "data_source" in names):
        return _verl(parameters)
    return _per_text(parameters)


_ASK = "say how it is called with --style trl, verl, text, prompt-text, text-answer or prompt-text-answer"


def _asked(asked: str, parameters: list[Parameter] | None) -> Style:
    if asked == TRL:
        return _trl(parameters)
    if asked == VERL:
        return _verl(parameters)
    roles = tuple(asked.split("-"))
    if parameters is not None and not takes(parameters, len(roles)):
        raise Refused(f"does not take the {len(roles)} arguments of --style {asked}: {_shown(parameters)}")
    said = "one text a call, with " + ", ".join(_WORDS[role] for role in roles)
    return Style(TEXT, said, roles=tuple((role, role) for role in roles))


_WORDS = {TEXT: "the completion", PROMPT: "the prompt", ANSWER: "the reference answer"}


def _names(parameters: list[Parameter] | None) -> frozenset[str] | None:
    """Names that can be given by keyword; None for all."""
    if parameters is None or any(one.rest == "kwargs" for one in parameters):
        return None
    return frozenset(one.name for one in parameters if one.keyword)


def _trl(parameters: list[Parameter] | None) -> Style:
    names = _names(parameters)
    if names is not None and not names & {"completions", "completion_ids", "prompts"}:
        raise Refused(f"takes no completions, as TRL's form does: {_shown(parameters or [])}")
    explicit = {one.name for one in parameters or ()}
    style = Style(TRL, "TRL's form: lists of prompts, completions and columns", names=names)
    # TRL gives these to every function; one that only collects its columns in **kwargs is spared them.
    style.roles = tuple((name, name) for name in _OF_TRAINING if name in explicit)
    return style


def _verl(parameters: list[Parameter] | None) -> Style:
    names = _names(parameters)
    if names is not None and "solution_str" not in names:
        raise Refused(f"takes no solution_str, as verl's form does: {_shown(parameters or [])}")
    said = "verl's form: one text a call, with data_source, solution_str, ground_truth and extra_info"
    return Style(VERL, said, names=names)


def _per_text(parameters: list[Parameter]) -> Style:
    """A function of one text, if the names of its parameters leave no doubt."""
    if any(one.rest == "args" for one in parameters):
        raise _open(parameters)
    required = [one for one in parameters if one.required]
    by_name = [(one.name, role) for one in parameters if (role := _role(one.name))]
    named = {name for name, _ in by_name}
    roles = [role for _, role in by_name]
    if len(required) == 1 and required[0].name not in named and TEXT not in roles:
        only = required[0].name
        if only in _MANY or only.endswith("s"):
            raise _open(parameters)
        by_name = [(only, TEXT), *by_name]
        roles = [role for _, role in by_name]
        named.add(only)
    clear = all(one.name in named for one in required)
    if not clear or roles.count(TEXT) != 1 or len(set(roles)) != len(roles):
        raise _open(parameters)
    if any(one.positional and not one.keyword for one in parameters):
        if len(by_name) != len(parameters):
            raise _open(parameters)
        return Style(TEXT, _said(by_name), roles=tuple(by_name))
    return Style(TEXT, _said(by_name), roles=tuple(by_name), by_name=True)


def _said(by_name: list[tuple[str, str]]) -> str:
    return "one text a call: " + ", ".join(f"{name} is {_WORDS[role]}" for name, role in by_name)


def _role(name: str) -> str:
    lowered = name.lower()
    return next((role for role, names in _ROLES.items() if lowered in names), "")


def _open(parameters: list[Parameter]) -> Refused:
    return Refused(f"can be called in several ways, by its signature {_shown(parameters)}; {_ASK}")


def _shown(parameters: list[Parameter]) -> str:
    return "(" + ", ".join(one.name for one in parameters)[:100] + ")"
