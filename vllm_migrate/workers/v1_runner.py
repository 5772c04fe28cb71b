"""Forced decoding in the V1 model runner.

A LogitsProcessor knows which request sits in which row, and a hook on `Sampler.sample` replaces the ids. Run
with 0.18.1 and 0.32.0 on CPU. The processor is appended to the live engine's list, so the engine is started
with exactly the user's arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .backend import WorkerError

if TYPE_CHECKING:
    from .vllm_engine import ForcedSequences

MODES = ("raw_logprobs", "processed_logprobs")

SWITCHABLE_FORWARDS = ("forward_native", "forward_cpu")
"""TopKTopPSampler picks its forward at construction; only these read the mode at every call."""


class V1Forcing:
    """Forces and flips one V1 model runner."""

    def __init__(self, model_runner: Any, forced: ForcedSequences) -> None:
        self._model_runner = model_runner
        self._sampler = model_runner.sampler
        rows = _make_rows(forced)
        model_runner.input_batch.logitsprocs.non_argmax_invariant.append(rows)
        original = self._sampler.sample

        def sample(*args: Any, **kwargs: Any) -> Any:
            sampled, processed = original(*args, **kwargs)
            return rows.force(sampled), processed

        self._sampler.sample = sample

    @staticmethod
    def params(key: int, tokens: list[int]) -> dict[str, Any]:
        """Extra SamplingParams that make a request follow `tokens`."""
        from .vllm_engine import FORCE_KEY

        del tokens
        return {"extra_args": {FORCE_KEY: key}}

    def logprobs_mode(self) -> str:
        """The mode the sampler works in."""
        return str(self._sampler.logprobs_mode)

    def flip_logprobs_mode(self, mode: str) -> dict[str, Any]:
        """Switch what is reported; all three places, or the engine silently keeps the old mode or hangs."""
        was = self.logprobs_mode()
        if mode not in MODES:
            raise WorkerError(
                "unsupported", f"logprobs_mode can be flipped between {' and '.join(MODES)}, not {mode}"
            )
        inner = self._sampler.topk_topp_sampler
        chosen = getattr(inner.forward, "__name__", "")
        if chosen not in SWITCHABLE_FORWARDS or not hasattr(inner, "logprobs_mode"):
            return {
                "live": False,
                "was": was,
                "why": f"the sampler chose {chosen or 'its kernel'} at construction",
            }
        self._sampler.logprobs_mode = mode
        inner.logprobs_mode = mode
        self._model_runner.model_config.logprobs_mode = mode
        return {"live": True, "was": was, "why": ""}


def _make_rows(forced: ForcedSequences) -> Any:
    """A LogitsProcessor that follows which request sits in which row of the batch; it changes no logit."""
    import torch
    from vllm.v1.sample.logits_processor import LogitsProcessor, MoveDirectionality

    class Rows(LogitsProcessor):  # type: ignore[misc] # a base class from the engine's own environment
        def __init__(self) -> None:
            self._rows: dict[int, tuple[Any, list[int]]] = {}
            self._now: list[tuple[int, int]] = []

        def is_argmax_invariant(self) -> bool:
            # False places it among the processors that run first and on greedy batches too.
            return False

        def update_state(self, batch_update: Any) -> None:
            if batch_update is None:
                return
            rows = self._rows
            for row in batch_update.removed:
                rows.pop(row, None)
            for row, params, _, output_ids in batch_update.added:
                rows.pop(row, None)
                if forced.token(params, 0) is not None:
                    rows[row] = (params, output_ids)
            for source, target, direction in batch_update.moved:
                at_source, at_target = rows.pop(source, None), rows.pop(target, None)
                if at_source is not None:
                    rows[target] = at_source
                if direction == MoveDirectionality.SWAP and at_target is not None:
                    rows[source] = at_target

        def apply(self, logits: Any) -> Any:
            self._now = []
            found = []
            for row, (params, output_ids) in self._rows.items():
                entry = forced.token(params, len(output_ids))
                if entry is not None and row < logits.shape[0]:
                    self._now.append((row, entry[1]))
                    found.append((*entry, len(output_ids)))
            if found:
                rows, tokens = self._indices(logits.device)
                raw = logits[rows].log_softmax(dim=-1, dtype=torch.float32).gather(1, tokens.unsqueeze(1))
                for (key, _, step), value in zip(found, raw.squeeze(1).tolist(), strict=True):
                    forced.tap(key, step, value)
            return logits

        def force(self, sampled: Any) -> Any:
            if not self._now:
                return sampled
            rows, tokens = self._indices(sampled.device)
            sampled = sampled.clone()
            sampled[rows] = tokens.to(sampled.dtype)
            self._now = []
            return sampled

        def _indices(self, device: Any) -> tuple[Any, Any]:
            rows, tokens = zip(*self._now, strict=True)
            return torch.tensor(rows, device=device), torch.tensor(tokens, device=device)

    return Rows()
