from dataclasses import dataclass, field
from typing import Dict, List


@dataclass
class Episode:
    """One conversation: the model thinks, the environment answers with a reminder, the model concludes."""

    question: str
    answer: str
    index: int
    messages: List[Dict[str, str]] = field(default_factory=list)
    turns: List[Dict] = field(default_factory=list)

    def __post_init__(self):
        self.messages.append({"role": "user", "content": self.question})

    def absorb(self, output, params):
        completion = output.outputs[0]
        ids = list(completion.token_ids)
        self.turns.append(
            {
                "prompt_token_ids": list(output.prompt_token_ids),
                "token_ids": ids,
                "logprobs": [step[t].logprob for step, t in zip(completion.logprobs, ids)],
                "sampling": {
                    "temperature": params.temperature,
                    "top_p": params.top_p,
                    "max_tokens": params.max_tokens,
                    "stop": params.stop,
                },
                "weights_version": 0,
                "text": completion.text,
                "finish_reason": completion.finish_reason,
                "stop_reason": completion.stop_reason,
            }
        )
        self.messages.append({"role": "assistant", "content": completion.text})

    def observe(self, text):
        self.messages.append({"role": "tool", "content": text})
