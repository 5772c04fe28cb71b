import os
from copy import copy

from transformers import AutoTokenizer
from vllm import LLM, SamplingParams

HERE = os.path.dirname(os.path.abspath(__file__))


class ChatPolicy:
    """A vLLM policy that takes conversations and remembers what it sampled."""

    def __init__(self, model, temperature, top_p, stop, max_tokens, **llm_kwargs):
        with open(os.path.join(HERE, "template.jinja")) as f:
            self.template = f.read()
        self.llm = LLM(model, tokenizer_mode="auto", enforce_eager=True, **llm_kwargs)
        tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        self.llm.set_tokenizer(tokenizer)
        self.params = SamplingParams(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            stop=stop,
            include_stop_str_in_output=True,
            skip_special_tokens=False,
            spaces_between_special_tokens=False,
            logprobs=0,
        )

    def reply(self, conversations, **overrides):
        params = copy(self.params)
        for key, value in overrides.items():
            setattr(params, key, value)
        outputs = self.llm.chat(
            conversations,
            sampling_params=params,
            chat_template=self.template,
            add_generation_prompt=False,
            use_tqdm=False,
        )
        return outputs, params
