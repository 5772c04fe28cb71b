"""What a scheduler did: the control that shows that a changed setting took effect.

A setting that changes no number (the batch size, on a CPU) proves nothing by leaving the numbers alone. So
the steps are counted: rows and tokens per step, and prompt tokens taken from the prefix cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class StepWatch:
    """Counts of one engine's scheduler since they were last taken."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.steps = self.rows = self.tokens = self.cached = 0

    def follow(self, scheduler: Any, measure: Callable[[Any], tuple[int, int]]) -> None:
        """Count every `scheduler.schedule()`; `measure` gives rows and tokens of what it returned."""
        original = scheduler.schedule

        def schedule(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            rows, tokens = measure(result)
            if tokens:
                self.steps += 1
                self.rows = max(self.rows, rows)
                self.tokens = max(self.tokens, tokens)
            return result

        scheduler.schedule = schedule

    def add_cached(self, outputs: list[Any]) -> None:
        """Add the prompt tokens that finished requests took from the prefix cache."""
        self.cached += sum(int(getattr(output, "num_cached_tokens", 0) or 0) for output in outputs)

    def take(self) -> dict[str, int]:
        """Steps, most rows and most tokens in one step, cached prompt tokens; counting starts anew."""
        counts = {
            "steps": self.steps,
            "max_rows": self.rows,
            "max_tokens": self.tokens,
            "cached_tokens": self.cached,
        }
        self._clear()
        return counts
