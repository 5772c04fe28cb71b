from dataclasses import dataclass
from typing import List

from openrlhf_mini.utils.launch import get


@dataclass
class Samples:
    prompt_token_ids: List[int]
    token_ids: List[int]
    rollout_log_probs: List[float]
    text: str


class RemoteExperienceMaker:
    def __init__(self, args, tokenizer, vllm_engines):
        self.args = args
        self.tokenizer = tokenizer
        self.vllm_engines = vllm_engines

    def tokenize_fn(self, texts, max_length):
        return self.tokenizer(texts, add_special_tokens=False, max_length=max_length, truncation=True)["input_ids"]

    def generate_samples(self, all_prompts, **kwargs):
        from vllm import SamplingParams

        sampling_params = SamplingParams(
            temperature=kwargs.get("temperature", 1.0),
            top_p=kwargs.get("top_p", 1.0),
            top_k=kwargs.get("top_k", -1),
            max_tokens=kwargs.get("max_new_tokens", 1024),
            min_tokens=kwargs.get("min_new_tokens", 1),
            skip_special_tokens=kwargs.get("skip_special_tokens", False),
            include_stop_str_in_output=True,
            logprobs=1,
        )
        all_prompt_token_ids = self.tokenize_fn(all_prompts, self.args.prompt_max_len)

        # Distribute requests to engines and collect responses
        llms = self.vllm_engines
        batch_size = (len(all_prompt_token_ids) + len(llms) - 1) // len(llms)
        refs = []
        for i, llm in enumerate(llms):
            prompt_token_ids = all_prompt_token_ids[i * batch_size : (i + 1) * batch_size]
            refs.append(llm.add_requests.remote(0, sampling_params=sampling_params, prompt_token_ids=prompt_token_ids))
        get(refs)
        all_outputs = sum(get([llm.get_responses.remote(0) for llm in llms]), [])

        samples = []
        for output in all_outputs:
            out = output.outputs[0]
            log_probs = []
            for i, logprob in enumerate(out.logprobs):
                log_probs.append(logprob[out.token_ids[i]].logprob)
            samples.append(Samples(list(output.prompt_token_ids), list(out.token_ids), log_probs, out.text))
        return samples
