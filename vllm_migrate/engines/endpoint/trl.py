"""TRL's own server (`trl vllm-serve`, TRL 0.29.1 to 1.10): `/generate/`.

It takes prompts as token ids from 0.29.1 on, and returns ids and logprobs, but no text and no reason for
which a completion ended. Earlier releases take text only, and before 0.23 they return no logprobs: both are
refused. From 1.11 on `trl vllm-serve` is vLLM's own server, which `openai.py` speaks to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm_migrate.engines.endpoint.api import QUICK_SECONDS, Served, ServedApi, checked
from vllm_migrate.engines.endpoint.http import OK
from vllm_migrate.errors import EngineError
from vllm_migrate.workers.protocol import RolloutRecord

if TYPE_CHECKING:
    from vllm_migrate.engines.endpoint.http import Server
    from vllm_migrate.workers.protocol import SamplingSettings

_WORLD = "/get_world_size/"
_GENERATE = "/generate/"


def speaks(server: Server) -> bool:
    """Whether a server speaks this protocol.

    Raises:
        EngineError: nothing answers.
    """
    status, document = server.get(_WORLD, seconds=QUICK_SECONDS)
    return status == OK and isinstance(document, dict) and "world_size" in document


class TrlApi(ServedApi):
    """One request at a time: the server handles them in turn and batches within each."""

    has_text = False

    def served(self) -> Served:
        """How many processes it has, and, by its schema, whether it takes token ids and returns logprobs."""
        _, world = self.server.get(_WORLD, seconds=QUICK_SECONDS)
        self._check(*self._schemas())
        return Served("TRL vllm-serve", "", "", {"world_size": world["world_size"]})

    def _schemas(self) -> tuple[str, str]:
        """The properties of a request and of an answer, as text; "" where the server hides its schema."""
        status, document = self.server.get("/openapi.json", seconds=QUICK_SECONDS)
        if status != OK or not isinstance(document, dict):
            return "", ""
        known = document.get("components", {}).get("schemas", {})
        return tuple(  # type: ignore[return-value]  # two of them
            str(known.get(name, {}).get("properties", "")) for name in ("GenerateRequest", "GenerateResponse")
        )

    def _check(self, request: str, answer: str) -> None:
        if answer and "'logprobs'" not in answer:
            raise EngineError(
                f"{self.server.url} returns no logprobs: TRL's server does from 0.23 on", hint="update TRL"
            )
        if (
            request
            and "'integer'" not in request.partition("'prompts'")[2].partition("'title': 'Prompts'")[0]
        ):
            raise EngineError(
                f"{self.server.url} takes prompts as text only: TRL's server takes token ids from 0.29.1 on",
                hint="update TRL; an audit gives every engine the same ids",
            )

    def complete(
        self, prompt: list[int], sampling: SamplingSettings, count: int, *, seconds: float
    ) -> list[RolloutRecord]:
        """All completions of a prompt in one request."""
        body = {
            "prompts": [prompt],
            "n": count,
            "repetition_penalty": sampling.repetition_penalty,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "max_tokens": sampling.max_tokens,
            "logprobs": 0,
            "generation_kwargs": {
                "stop_token_ids": sampling.stop_token_ids,
                **({} if sampling.seed is None else {"seed": sampling.seed}),
            },
        }
        answer = self.server.post(_GENERATE, body, seconds=seconds)
        if not isinstance(answer, dict):
            raise EngineError(f"{self.server.url} answered {_GENERATE} with something else")
        ids, logprobs = answer.get("completion_ids"), answer.get("logprobs")
        prompt_ids = answer.get("prompt_ids")
        if not isinstance(ids, list) or len(ids) != count:
            raise EngineError(f"{self.server.url} did not return {count} completions of a prompt")
        if not isinstance(logprobs, list) or len(logprobs) != count:
            raise EngineError(f"{self.server.url} returned no logprobs")
        return [
            replace(self._record(prompt, prompt_ids, one, values, sampling.max_tokens), sample=sample)
            for sample, (one, values) in enumerate(zip(ids, logprobs, strict=True))
        ]

    def _record(
        self, prompt: list[int], prompt_ids: Any, ids: Any, values: Any, longest: int
    ) -> RolloutRecord:
        of_prompt = prompt_ids[0] if isinstance(prompt_ids, list) and len(prompt_ids) == 1 else None
        token_ids, logprobs = checked(self.server, ids, _sampled(values), prompt=prompt, prompt_ids=of_prompt)
        reason = "length" if len(token_ids) >= longest else "stop"
        return RolloutRecord(0, 0, token_ids, logprobs, "", reason)


def _sampled(values: Any) -> Any:
    """The sampled token's logprob at each position: a number before TRL 0.29, a list of one from then on."""
    if not isinstance(values, list):
        return values
    return [value[0] if isinstance(value, list) and value else value for value in values]
