"""What an expression stands for."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from vllm_migrate.files.located import Certainty
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping


class Kind(Enum):
    """The kinds of thing that are told apart."""

    NAME = "name"  # a module, class, function or constant by its qualified name
    INSTANCE = "instance"  # an object of the class `name`
    MANY = "many"  # an iterable of objects of the class `name`
    METHOD = "method"  # a bound method: `name` is "vllm.LLM.generate"
    REMOTE = "remote"  # ray.remote(X): calling `.remote(...)` constructs X
    CONSTRUCTOR = "constructor"  # that `.remote`
    ACTOR = "actor"  # what it returns: `.generate.remote(...)` calls X.generate
    ACTOR_METHOD = "actor-method"  # `.generate` of an actor
    PARTIAL = "partial"  # functools.partial(X, ...)
    CLASS = "class"  # a class of the user's
    OBJECT = "object"  # an object of a class of the user's
    REMOTE_CLASS = "remote-class"  # a class of the user's under @ray.remote
    FUNCTION = "function"  # a function of the user's, also a bound method
    SUPER = "super"  # super() in a class of the user's


@dataclass(frozen=True, slots=True)
class Forward:
    """A function that hands its `**kwargs` on to something of vLLM's.

    Attributes:
        target: what gets them: "vllm.LLM", "vllm.SamplingParams", "vllm.LLM.generate".
        own: parameters it keeps for itself, and keys it takes out.
        fixes: it gives the target arguments of its own, so that what its callers leave out may still be set.
    """

    target: str
    own: frozenset[str] = frozenset()
    fixes: bool = False


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function of the user's, as far as its callers need it."""

    returns: Meaning | None = None
    forward: Forward | None = None


@dataclass(frozen=True, slots=True)
class UserClass:
    """A class of the user's in another module.

    Attributes:
        base: the vLLM class it derives from, "" for none.
        attributes: what its instances hold that is of interest; `methods` its own methods by name.
        remote: whether it is a ray actor.
    """

    base: str = ""
    attributes: Mapping[str, Meaning] | None = None
    methods: Mapping[str, UserFunction] | None = None
    remote: bool = False

    @property
    def concerns_vllm(self) -> bool:
        """Whether anything about it leads to vLLM."""
        return bool(
            self.base or self.attributes or any(m.forward or m.returns for m in (self.methods or {}).values())
        )


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression stands for.

    Attributes:
        node: the definition in this file, for a class or function of the user's.
        user: the same from another module.
    """

    kind: Kind
    name: str = ""
    certainty: Certainty = Certainty.CERTAIN
    node: ast.AST | None = None
    user: UserClass | UserFunction | None = None

    def likely(self) -> Meaning:
        """The same, but not certain."""
        return replace(self, certainty=Certainty.LIKELY) if self.certainty is Certainty.CERTAIN else self
