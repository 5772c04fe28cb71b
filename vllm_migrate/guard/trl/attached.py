"""A guard in a trainer: it decides before every update, logs, and does what was decided."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import TrainingStopped, UsageError
from vllm_migrate.guard.stages import Action
from vllm_migrate.guard.trl import checkpoints, layout
from vllm_migrate.guard.trl.callback import make_callback
from vllm_migrate.guard.trl.clip import clips
from vllm_migrate.guard.trl.update import drop_gradients
from vllm_migrate.guard.trl.watcher import Watcher

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from vllm_migrate.guard.decision import Decision
    from vllm_migrate.guard.measured import Measured
    from vllm_migrate.guard.policy_guard import PolicyGuard

LOG = logging.getLogger("vllm_migrate.guard")
_TRAIN = "train"
_OF_ROLLOUT = "guard/rollout_"


class Attached:
    """A guard in a trainer. Leaving it as a context, or `detach()`, takes it out again.

    Attributes:
        guard: the guard itself.
        trl: TRL's version.
        last: the last decision, None before the first.
        stopped: the decision that stopped the training, None where none did.
        skipped: numbers of the steps whose update was left out.
        not_judged: what this trainer can't be judged on, and why, one line each; from the first step on.
    """

    def __init__(
        self,
        trainer: Any,
        guard: PolicyGuard,
        found: layout.Layout,
        *,
        held_out: int | None,
        raise_on_stop: bool,
    ) -> None:
        self.guard = guard
        self.trl = str(found.trl)
        self.last: Decision | None = None
        self.stopped: Decision | None = None
        self.skipped: list[int] = []
        self.not_judged: tuple[str, ...] = ()
        self._trainer = trainer
        self._held_out = held_out
        self._raise_on_stop = raise_on_stop
        self._watcher = Watcher(trainer, guard.clip, held_out)
        self._callback = make_callback(self._before_update, self._after_update, self._saved)
        self._crossed: frozenset[str] = frozenset()
        self._was_judged = True
        self._install()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def detach(self) -> None:
        """Take the guard out of the trainer, which is then as it was. Twice is once."""
        if getattr(self._trainer, layout.MARK, None) is not self:
            return
        self._watcher.restore()
        vars(self._trainer).pop(_TRAIN, None)
        self._trainer.remove_callback(self._callback)
        delattr(self._trainer, layout.MARK)

    def _install(self) -> None:
        trainer = self._trainer
        self._watcher.install()
        train = trainer.train
        trainer.train = functools.wraps(train)(functools.partial(self._train, train))
        trainer.add_callback(self._callback)
        setattr(trainer, layout.MARK, self)

    def _train(self, train: Any, *args: Any, **kwargs: Any) -> Any:
        """Around `train`: once it has ended in the ordinary way, logs and checkpoint written, say why."""
        self.stopped = None
        resume_from = kwargs.get("resume_from_checkpoint", args[0] if args else None)
        if checkpoints.load(self.guard, self._trainer.args, resume_from):
            self._say("the guard goes on from the checkpoint's counts", level=logging.INFO)
        result = train(*args, **kwargs)
        stopped = self.stopped
        if stopped is not None and self._raise_on_stop:
            raise TrainingStopped(stopped.message, hint=self._hint(stopped))
        return result

    def _hint(self, stopped: Decision) -> str:
        if not stopped.save_first:
            return "the weights are those from before that step; they were not saved"
        saved = f"checkpoint-{self._trainer.state.global_step}"
        return f"{saved} in {self._trainer.args.output_dir} holds the weights from before that step"

    def _before_update(self, control: Any) -> None:
        """Decide on the step whose gradients are ready, and do it."""
        window = self._watcher.take()
        measured = window.measured(self._trainer.accelerator)
        step = int(self._trainer.state.global_step) + 1
        if measured is None:
            if self._was_judged:
                self._say(f"step {step}: not judged, like any after it whose masks keep no token")
            self._was_judged = False
            return
        self._was_judged = True
        if self.last is None:
            self.not_judged = self._unjudged(measured)
            for line in self.not_judged:
                self._say(f"not judged: {line}", level=logging.INFO)
        decision = self.guard.decide(measured, step)
        self.last = decision
        log = self._trainer._metrics["train"]  # noqa: SLF001 - where TRL keeps what it logs next
        for name, value in decision.metrics().items():
            if measured.mismatch_k2 is not None or not name.startswith(_OF_ROLLOUT):
                log[name].append(value)
        self._tell(decision)
        if decision.action is Action.SKIP_BATCH:
            self.skipped.append(step)
            drop_gradients(self._trainer)
        elif decision.action is Action.STOP:
            self.stopped = decision
            drop_gradients(self._trainer)
            control.should_training_stop = True
            control.should_log = True
            control.should_save = control.should_save or decision.save_first

    def _saved(self, args: Any, state: Any) -> None:
        checkpoints.save(self.guard, args, state)

    def _after_update(self) -> None:
        if self._watcher.window.micro_batches:
            raise UsageError(
                "this trainer updated its weights without on_pre_optimizer_step: the guard was not asked",
                hint="use PolicyGuard.step in the training loop instead (docs/guard.md)",
            )

    def _tell(self, decision: Decision) -> None:
        """Say what was decided; a warning that goes on is said when it begins."""
        crossed = frozenset(one.boundary for one in decision.crossings if one.action is not Action.CONTINUE)
        if decision.action.rank > Action.WARN.rank or not crossed <= self._crossed:
            self._say(decision.message)
        self._crossed = crossed

    def _say(self, message: str, level: int = logging.WARNING) -> None:
        if self._trainer.accelerator.is_main_process:
            LOG.log(level, "%s", message)

    def _unjudged(self, measured: Measured) -> tuple[str, ...]:
        trainer = self._trainer
        lines = []
        if measured.mismatch_k2 is None:
            why = "" if trainer.use_vllm else ": use_vllm is False, and no rollout_func gave any"
            lines.append(f"backend mismatch and total ratio, since the batch holds no rollout logprobs{why}")
        if measured.base_kl is None:
            lines.append("KL to the base model, since TRL computes no reference logprobs while beta is 0")
        if self._held_out is None:
            lines.append("the reward beside a second verifier, since held_out names none")
        if not clips(trainer):
            lines.append(f"clip rates, since loss_type {trainer.loss_type} clips nothing")
        return tuple(lines)
