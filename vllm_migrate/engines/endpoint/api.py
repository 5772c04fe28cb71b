"""What a running server can be asked, whichever protocol it speaks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import EngineError, UsageError

if TYPE_CHECKING:
    from vllm_migrate.engines.endpoint.http import Server
    from vllm_migrate.workers.protocol import RolloutRecord, SamplingSettings

QUICK_SECONDS = 30.0

FORCED = "forced replay needs an engine in a process of this tool's own, and this one is behind a URL"
"""Why an endpoint can't follow given tokens."""

NEGATIVE_INFINITY = -9999.0
"""What vLLM's server writes for minus infinity, which JSON does not have."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of itself.

    Attributes:
        kind: the protocol in words.
        model: the name it serves the model under.
        version: vLLM's, "" where it does not say.
        settings: what else it tells, by the names that engines' settings have.
    """

    kind: str
    model: str
    version: str
    settings: dict[str, Any] = field(default_factory=dict)


class ServedApi(ABC):
    """One protocol.

    Attributes:
        at_once: requests under way at the same time.
        has_text: whether completions come with their text.
        reads_text: whether it tells how it tokenizes a text and renders a conversation.
        scores: whether it gives logprobs of given tokens (`prompt_logprobs`).
    """

    at_once = 1
    has_text = True
    reads_text = False
    scores = False

    def __init__(self, server: Server) -> None:
        self.server = server

    @abstractmethod
    def served(self) -> Served:
        """What the server says of itself.

        Raises:
            EngineError: it is not usable, with the reason.
        """

    @abstractmethod
    def complete(
        self, prompt: list[int], sampling: SamplingSettings, count: int, *, seconds: float
    ) -> list[RolloutRecord]:
        """Completions of one prompt; each says which `sample` it is, `prompt` is left at 0.

        Where the settings hold a seed, sample number i is drawn with seed + i: vLLM itself counts on for the
        further completions of a request.
        """

    def on_gpu(self) -> bool:
        """Whether the server is shown not to run on a CPU; false where it does not tell."""
        return False

    def score(self, prompt: list[int], completion: list[int], *, seconds: float) -> list[float]:
        """Logprobs of a completion's tokens by one prefill; vLLM V1 gives raw ones, whatever its mode."""
        del prompt, completion, seconds
        raise UsageError(f"{self.server.url} gives no logprobs of given tokens")

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens added."""
        del texts
        raise UsageError(f"{self.server.url} does not say how it tokenizes")

    def render(self, chats: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
        """Token ids of each conversation by the server's template; it does not tell the text."""
        del chats
        raise UsageError(f"{self.server.url} does not say how it renders conversations")


def checked(
    server: Server, token_ids: Any, logprobs: Any, *, prompt: list[int], prompt_ids: Any
) -> tuple[list[int], list[float]]:
    """Token ids and logprobs of an answer, as long as each other, of the prompt that was asked about.

    Raises:
        EngineError: they are not.
    """
    if prompt_ids is not None and list(prompt_ids) != prompt:
        raise EngineError(f"{server.url} changed the prompt's token ids: it can't be held to the same inputs")
    if not isinstance(token_ids, list) or not token_ids:
        raise EngineError(f"{server.url} returned no token ids", hint="vLLM does from 0.10.2 on")
    if not isinstance(logprobs, list) or len(logprobs) != len(token_ids) or None in logprobs:
        raise EngineError(f"{server.url} returned no logprob for some tokens")
    return [int(token) for token in token_ids], [finite_or_not(value) for value in logprobs]


def finite_or_not(value: Any) -> float:
    """A logprob as the server writes it, with minus infinity read back."""
    number = float(value)
    return float("-inf") if number <= NEGATIVE_INFINITY else number
