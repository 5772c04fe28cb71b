"""What a rule is: a specification that can be run.

A rule module defines one `Rule` subclass. Its docstring is its documentation (fixed headings: What it does,
Why it matters, Fix safety), its examples are its tests, and both together are its page and the output of
`vllm-migrate rule CODE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vllm_migrate.facts.model import Target
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding, Level, Safety
    from vllm_migrate.facts.loader import FactTable
    from vllm_migrate.facts.model import Fact, Source, State
    from vllm_migrate.facts.surface.compare import Comparison
    from vllm_migrate.facts.trl_route import TrlRoute
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Pin
    from vllm_migrate.files.use import Use
    from vllm_migrate.rules.mentions import Mentions


@dataclass(frozen=True, slots=True)
class Example:
    """A rule's claim about one piece of code.

    Attributes:
        before: code in which the rule must find something.
        after: what its edits make of it; None where it is found and left to a person.
        unchanged: True where the rule must stay silent on `before`.
        file_name: decides the adapter: "train.py", "run.sh", "config.yaml", "requirements.txt".
        unsafe: the edit needs `--unsafe-fixes`.
    """

    before: str
    after: str | None = None
    unchanged: bool = False
    file_name: str = "train.py"
    unsafe: bool = False
    source: str = "0.8.5"
    target: str = "0.32.0"


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may know beyond the file at hand.

    Attributes:
        project: signs of use summed over the whole project (an engine built in one file, weights synced in
            another). recipe: "parity" or "fast".
        pins: the project's requirements, with where they stand.
        mentions: who else in the project knows a name; None where only one file is looked at.
        passed_to_trl: the project's arguments to TRL's configurations, each with the class.
    """

    source: Source
    target: Target
    facts: FactTable
    project: Use
    recipe: str = "parity"
    pins: tuple[tuple[str, Pin], ...] = ()
    mentions: Mentions | None = None
    passed_to_trl: frozenset[tuple[str, str]] = frozenset()

    @property
    def trl(self) -> TrlRoute:
        """The way from the project's TRL to one that takes the target."""
        from vllm_migrate.facts.trl_route import trl_route  # noqa: PLC0415 - few projects use TRL

        return trl_route(self.pins, self.source.version, self.target.version, self.facts, self.passed_to_trl)

    def import_state(self, qualified: str) -> tuple[Fact, State] | None:
        """What became of an importable name on the target, or with the TRL that takes it.

        See `FactTable.import_state`.
        """
        target = Target("trl", self.trl.target) if qualified.startswith("trl.") else self.target
        return self.facts.import_state(qualified, target)

    @property
    def api(self) -> Comparison:
        """The target's API beside that of the other releases; read when it is first asked for."""
        from vllm_migrate.facts.surface.compare import comparison  # noqa: PLC0415 - most files ask for nothing

        return comparison(self.target.package, self.target.version)


class Rule:
    """Base of all rules. Subclasses set the class variables and write `find`.

    Attributes:
        backstop: it runs after all other rules, and what they said at a place stands there alone.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    level: ClassVar[Level]
    safety: ClassVar[Safety]  # the best its edits can be; findings may be lower
    kinds: ClassVar[tuple[FileKind, ...]] = (FileKind.PYTHON,)
    examples: ClassVar[tuple[Example, ...]] = ()
    backstop: ClassVar[bool] = False

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield what is wrong in this file. Pure: no state is kept between files."""
        raise NotImplementedError
