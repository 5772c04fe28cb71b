"""vLLM's OpenAI-compatible server (`vllm serve`, and `trl vllm-serve` from TRL 1.11 on): `/v1/completions`.

Prompts go as token ids and completions come back as token ids. Every sampling setting is sent, so that the
checkpoint's generation_config.json, whose values the server fills in for what a request leaves out, changes
nothing. Written against vLLM 0.32.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm_migrate.engines.endpoint.api import QUICK_SECONDS, Served, ServedApi, checked, finite_or_not
from vllm_migrate.engines.endpoint.http import OK
from vllm_migrate.engines.endpoint.seeds import shown_on_gpu
from vllm_migrate.errors import EngineError, UsageError
from vllm_migrate.workers.protocol import RolloutRecord

if TYPE_CHECKING:
    from vllm_migrate.engines.endpoint.http import Server
    from vllm_migrate.workers.protocol import SamplingSettings

MODELS = "/v1/models"
METRICS = "/metrics"
_COMPLETIONS = "/v1/completions"
_ID = "token_id:"
_TEMPLATE_OWN = ("tools", "documents", "chat_template", "add_generation_prompt", "continue_final_message")


def speaks(server: Server) -> bool:
    """Whether a server speaks this protocol.

    Raises:
        EngineError: nothing answers, or it refuses access.
    """
    status, document = server.get(MODELS, seconds=QUICK_SECONDS)
    return status == OK and isinstance(document, dict) and isinstance(document.get("data"), list)


class OpenAiApi(ServedApi):
    """One request a prompt, many at a time: the server batches them.

    Args:
        server: where.
        model: which of the models served; "" for the only one.
    """

    at_once = 32
    reads_text = True
    scores = True

    def __init__(self, server: Server, model: str = "") -> None:
        super().__init__(server)
        self._model = model

    def served(self) -> Served:
        """The model's name and length, and vLLM's version."""
        _, document = self.server.get(MODELS, seconds=QUICK_SECONDS)
        models = {str(entry.get("id")): entry for entry in document["data"]}
        if not self._model and len(models) != 1:
            raise UsageError(
                f"{self.server.url} serves {len(models)} models: {', '.join(models)}",
                hint="name one behind the address: http://host:port#model",
            )
        self._model = self._model or next(iter(models))
        if self._model not in models:
            raise UsageError(f"{self.server.url} serves {', '.join(models) or 'nothing'}, not {self._model}")
        if models[self._model].get("parent"):
            raise UsageError(f"{self._model} is a LoRA adapter, and adapters are not supported")
        status, version = self.server.get("/version", seconds=QUICK_SECONDS)
        known = version.get("version") if status == OK and isinstance(version, dict) else None
        settings = {"max_model_len": models[self._model].get("max_model_len")}
        return Served("OpenAI-compatible server", self._model, str(known or ""), settings)

    def on_gpu(self) -> bool:
        """By its metrics, where it shows them."""
        try:
            return shown_on_gpu(self.server.text(METRICS, seconds=QUICK_SECONDS))
        except EngineError:  # they may be kept from others
            return False

    def complete(
        self, prompt: list[int], sampling: SamplingSettings, count: int, *, seconds: float
    ) -> list[RolloutRecord]:
        """All completions of a prompt in one request."""
        body = {
            **self._settings(sampling),
            "prompt": prompt,
            "n": count,
            "max_tokens": sampling.max_tokens,
            "logprobs": 0,
            "stop_token_ids": sampling.stop_token_ids,
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        choices = self._choices(body, count, seconds)
        return [self._record(prompt, sample, choice) for sample, choice in enumerate(choices)]

    def _record(self, prompt: list[int], sample: int, choice: dict[str, Any]) -> RolloutRecord:
        logprobs = choice.get("logprobs") or {}
        ids, values = checked(
            self.server,
            choice.get("token_ids") or _from_names(logprobs.get("tokens")),
            logprobs.get("token_logprobs"),
            prompt=prompt,
            prompt_ids=choice.get("prompt_token_ids"),
        )
        return RolloutRecord(
            prompt=0,
            sample=sample,
            token_ids=ids,
            logprobs=values,
            text=str(choice.get("text") or ""),
            finish_reason=str(choice.get("finish_reason") or ""),
        )

    def score(self, prompt: list[int], completion: list[int], *, seconds: float) -> list[float]:
        """The `prompt_logprobs` of prompt and completion."""
        text = prompt + completion
        body = {
            "model": self._model,
            "prompt": text,
            "max_tokens": 1,
            "temperature": 1.0,
            "prompt_logprobs": 0,
        }
        entries = self._choices(body, 1, seconds)[0].get("prompt_logprobs")
        if not isinstance(entries, list) or len(entries) != len(text):
            raise EngineError(f"{self.server.url} returned no prompt_logprobs")
        begin = len(prompt)
        try:
            return [
                finite_or_not(entry[str(token)]["logprob"])
                for token, entry in zip(text[begin:], entries[begin:], strict=True)
            ]
        except (KeyError, TypeError):
            raise EngineError(
                f"{self.server.url} returned prompt_logprobs without the token itself"
            ) from None

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """By `/tokenize`."""
        return [self._tokens({"prompt": text, "add_special_tokens": True}) for text in texts]

    def render(self, chats: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
        """By `/tokenize`; what the template is given besides goes along."""
        return [("", self._tokens(_conversation(chat))) for chat in chats]

    def _tokens(self, body: dict[str, Any]) -> list[int]:
        answer = self.server.post("/tokenize", {"model": self._model, **body}, seconds=QUICK_SECONDS)
        return [int(token) for token in answer["tokens"]]

    def _settings(self, sampling: SamplingSettings) -> dict[str, Any]:
        return {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "repetition_penalty": sampling.repetition_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }

    def _choices(self, body: dict[str, Any], count: int, seconds: float) -> list[dict[str, Any]]:
        answer = self.server.post(_COMPLETIONS, body, seconds=seconds)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if (
            not isinstance(choices, list)
            or len(choices) != count
            or not all(isinstance(choice, dict) for choice in choices)
        ):
            raise EngineError(f"{self.server.url} did not return {count} completions of a prompt")
        return sorted(choices, key=lambda choice: int(choice.get("index") or 0))


def _conversation(chat: dict[str, Any]) -> dict[str, Any]:
    given = {"add_generation_prompt": True, **chat["arguments"]}
    own = {name: given.pop(name) for name in _TEMPLATE_OWN if name in given}
    return {"messages": chat["messages"], **own, "chat_template_kwargs": given}


def _from_names(names: Any) -> list[int] | None:
    """Token ids from the "token_id:17" that vLLM writes in a token's place where it is asked to."""
    if not isinstance(names, list) or not all(isinstance(n, str) and n.startswith(_ID) for n in names):
        return None
    return [int(name.removeprefix(_ID)) for name in names]
