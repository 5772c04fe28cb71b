"""What the guard puts around a trainer's methods: it looks on, and changes neither arguments nor results."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import UsageError
from vllm_migrate.guard.trl import layout, rewards
from vllm_migrate.guard.trl.window import Window, sums_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from vllm_migrate.objective import ClipRange


class Watcher:
    """Collects the sums of each optimizer step of one trainer.

    The methods are replaced on the trainer itself, not on its class, and put back by `restore`.

    Args:
        trainer: a GRPOTrainer whose layout is known to fit.
        clip: its clip range.
        held_out: column of the held-out reward function, or None.
    """

    def __init__(self, trainer: Any, clip: ClipRange, held_out: int | None) -> None:
        self._trainer = trainer
        self._clip = clip
        self._held_out = held_out
        self._replaced: list[str] = []
        self._inside = False
        self._scored: list[Any] = []
        self._rewards: Any = None
        self._rows: Any = None
        self._sampled_at = 0
        self.window = Window(clip)

    def install(self) -> None:
        """Put the watching methods in place."""
        self._wrap(layout.GENERATE, self._generating)
        self._wrap(layout.REWARDS, self._rewarding)
        self._wrap(layout.LOSS, self._losing)
        self._wrap(layout.LOGPROBS, self._scoring)

    def restore(self) -> None:
        """Take them away again; the class's own methods show through."""
        for name in self._replaced:
            vars(self._trainer).pop(name, None)
        self._replaced.clear()

    def take(self) -> Window:
        """The window of the optimizer step that ends here; a new one begins."""
        done, self.window = self.window, Window(self._clip)
        if self._rows is not None and done.micro_batches:
            done.add_rows(self._rows)
            self._rows = None
        return done

    def _wrap(self, name: str, around: Callable[..., Any]) -> None:
        original = getattr(self._trainer, name)
        setattr(self._trainer, name, functools.wraps(original)(functools.partial(around, original)))
        self._replaced.append(name)

    def _training(self) -> bool:
        return bool(self._trainer.model.training)

    def _generating(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Around `_generate_and_score_completions`: a generation batch is complete."""
        self._rewards = None
        batch = original(*args, **kwargs)
        if self._training():
            self._sampled_at = self._version_of_sampler()
            if self._rewards is not None:
                self._rows = self._sums_of_generation(self._rewards, batch)
        self._rewards = None
        return batch

    def _rewarding(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Around `_calculate_rewards`: the rewards of all processes, one column a function."""
        self._rewards = original(*args, **kwargs)
        return self._rewards

    def _losing(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Around `_compute_loss`: a micro batch is about to be learnt from."""
        if not self._training():
            return original(*args, **kwargs)
        self._scored.clear()
        self._inside = True
        try:
            loss = original(*args, **kwargs)
        finally:
            self._inside = False
        if len(self._scored) != 1:
            raise UsageError(
                f"the loss computed logprobs {len(self._scored)} times: the guard can't tell which it uses"
            )
        logprobs, entropies = self._scored.pop()
        inputs = kwargs["inputs"] if "inputs" in kwargs else args[1]
        lag = int(self._trainer.state.global_step) - self._sampled_at
        self.window.add(inputs, logprobs, entropies, weight_lag=lag)
        return loss

    def _scoring(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Around `_get_per_token_logps_and_entropies`, of which only the loss's own call counts."""
        scored = original(*args, **kwargs)
        if self._inside:
            entropies = scored[1]
            self._scored.append((scored[0].detach(), None if entropies is None else entropies.detach()))
        return scored

    def _version_of_sampler(self) -> int:
        """The optimizer step whose weights sampled: the one TRL last gave to vLLM, else the present one."""
        if self._trainer.use_vllm:
            return int(getattr(self._trainer, "_last_loaded_step", self._trainer.state.global_step))
        return int(self._trainer.state.global_step)

    def _sums_of_generation(self, per_function: Any, batch: dict[str, Any]) -> Any:
        trainer = self._trainer
        total = rewards.total(trainer, per_function)
        advantages = batch[layout.ADVANTAGES]
        if advantages.dim() > 1:  # of subclasses that give every token its own
            mask = batch[layout.MASK]
            advantages = (advantages * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        if trainer.accelerator.num_processes > 1:
            advantages = trainer.accelerator.gather(advantages)
        if len(advantages) != len(total):  # a subclass that trains on other completions than it scored
            advantages = None
        return sums_of_rows(
            total,
            rewards.groups(trainer, len(total), total.device),
            advantages,
            None if self._held_out is None else per_function[:, self._held_out],
        )
