"""Calls one reward function with some of the texts of a chunk."""

from __future__ import annotations

from .returned import raised, reward, rewards
from .styles import TEXT, TRL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .styles import Style


class Asker:
    """A reward function, called in its style.

    Args:
        function: the user's.
        style: how it is called.
        sums: whether it is one of several that are summed.
        at: told the texts of each call before it is made.
    """

    def __init__(self, function: Any, style: Style, *, sums: bool, at: Callable[[int, int], None]) -> None:
        self.function = function
        self.style = style
        self.sums = sums
        self._at = at
        self._given: list[tuple[str, list[Any]]] = []
        self._of_training = {name: _OF_TRAINING[name] for name, _ in style.roles} if style.kind == TRL else {}

    @property
    def fields(self) -> set[str]:
        """What it has to be given besides columns: "prompts", "ids", "answers"; completions always are."""
        if self.style.kind == TRL:
            wanted = {"prompts": "prompts", "ids": "completion_ids"}
            return {field for field, name in wanted.items() if self.style.wants(name)}
        if self.style.kind == TEXT:
            return {_SOURCES[role] for _, role in self.style.roles}
        return {"answers"}

    def take(self, chunk: dict[str, Any]) -> None:
        """The texts that the next calls are about."""
        style = self.style
        if style.kind == TRL:
            given = {name: values for name, values in chunk["columns"].items() if style.wants(name)}
            messages = chunk["messages"]
            for name, make in (("prompts", _prompt), ("completions", _completion)):
                if style.wants(name):
                    given[name] = (
                        [
                            make(text, said)
                            for text, said in zip(chunk[name], messages)  # noqa: B905 - 3.8 runs this
                        ]
                        if messages
                        else chunk[name]
                    )
            if style.wants("completion_ids"):
                given["completion_ids"] = chunk["ids"]
        elif style.kind == TEXT:
            given = {name: list(chunk[_SOURCES[role]]) for name, role in style.roles}
        else:
            given = _verl(chunk)
            given = {name: values for name, values in given.items() if style.wants(name)}
        self._given = list(given.items())

    def ask(self, start: int, stop: int) -> Any:
        """Rewards of texts `start` to `stop`, or an awaitable of them: numbers, None, or faults in words."""
        if self.style.kind == TRL:
            return self._lists(start, stop)
        return self._each(start, stop)

    def _lists(self, start: int, stop: int) -> Any:
        self._at(start, stop)
        given = {name: values[start:stop] for name, values in self._given}
        try:
            returned = self.function(**given, **self._of_training)
        except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
            return self._raised(error, start, stop)
        if type(returned) is not list and hasattr(returned, "__await__"):
            return self._awaited_list(returned, start, stop)
        return rewards(returned, stop - start, sums=self.sums)

    async def _awaited_list(self, returned: Any, start: int, stop: int) -> Any:
        try:
            found = await returned
        except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
            said = raised(error)
            if stop - start == 1:
                return [said]
            alone = [
                (await one if hasattr(one, "__await__") else one)[0]
                for one in (self._lists(at, at + 1) for at in range(start, stop))
            ]
            return _or_all(alone, said)
        return rewards(found, stop - start, sums=self.sums)

    def _raised(self, error: BaseException, start: int, stop: int) -> Any:
        """Which of the texts raise when they are asked about alone."""
        said = raised(error)
        if stop - start == 1:
            return [said]
        alone = [self._lists(at, at + 1) for at in range(start, stop)]
        if any(hasattr(one, "__await__") for one in alone):
            return self._gathered(alone, said)
        return _or_all([one[0] for one in alone], said)

    async def _gathered(self, alone: list[Any], said: str) -> list[Any]:
        return _or_all([(await one if hasattr(one, "__await__") else one)[0] for one in alone], said)

    def _each(self, start: int, stop: int) -> Any:
        found: list[Any] = []
        waiting = False
        for at in range(start, stop):
            self._at(at, at + 1)
            try:
                returned = self._one(at)
            except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
                found.append(raised(error))
                continue
            if hasattr(returned, "__await__"):
                waiting = True
                found.append(self._awaited_one(returned))
            else:
                found.append(reward(returned, sums=self.sums, may_abstain=False))
        if not waiting:
            return found
        self._at(start, stop)
        return _all_of(found)

    def _one(self, at: int) -> Any:
        if self.style.kind == TEXT and not self.style.by_name:
            return self.function(*[values[at] for _, values in self._given])
        return self.function(**{name: values[at] for name, values in self._given})

    async def _awaited_one(self, returned: Any) -> float | str | None:
        try:
            return reward(await returned, sums=self.sums, may_abstain=False)
        except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
            return raised(error)


async def _all_of(found: list[Any]) -> list[Any]:
    """Several texts at once, as trainers await them."""
    import asyncio  # noqa: PLC0415 - costs more than all else here, and few need it

    async def same(value: Any) -> Any:
        return value

    return list(await asyncio.gather(*[one if hasattr(one, "__await__") else same(one) for one in found]))


def _or_all(alone: list[Any], said: str) -> list[Any]:
    """What each text alone came to; where none is at fault, what they did together is every text's fault."""
    if any(isinstance(one, str) for one in alone):
        return alone
    return [f"{said}, in a batch of {len(alone)} and for no text of it alone"] * len(alone)


def _prompt(text: str, messages: Any) -> Any:
    return [dict(message) for message in messages] if messages else text


def _completion(text: str, messages: Any) -> Any:
    return [{"role": "assistant", "content": text}] if messages else text


def _verl(chunk: dict[str, Any]) -> dict[str, list[Any]]:
    columns = chunk["columns"]
    count = len(chunk["completions"])
    nothing = [None] * count
    nested = columns.get("reward_model", nothing)
    truths = columns.get("ground_truth", chunk["answers"])
    return {
        "data_source": columns.get("data_source", nothing),
        "solution_str": chunk["completions"],
        "ground_truth": [
            one["ground_truth"] if isinstance(one, dict) and "ground_truth" in one else truth
            for one, truth in zip(nested, truths)  # noqa: B905 - 3.8 runs this
        ],
        "extra_info": columns.get("extra_info", nothing),
    }


_SOURCES = {"text": "completions", "prompt": "prompts", "answer": "answers"}


class _State:
    """What TRL calls trainer_state, before the first step."""

    global_step = 0
    max_steps = 1
    epoch = 0.0


def _noted(*_: Any, **__: Any) -> None:
    """TRL's log_extra and log_metric: nothing is logged here."""


_OF_TRAINING = {"trainer_state": _State(), "log_extra": _noted, "log_metric": _noted}
