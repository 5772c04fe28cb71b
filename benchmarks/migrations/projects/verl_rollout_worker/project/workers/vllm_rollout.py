"""
The vllm_rollout that can be applied in different backend
When working with FSDP:
- Use DTensor weight loader (recommended) or HF weight loader
- Utilize state_dict from the FSDP to synchronize the weights among tp ranks in vLLM
"""

from contextlib import contextmanager
from typing import Any, Dict, List, Union

import torch
from vllm import LLM, SamplingParams

# TODO
# 1. support pp in vllm
# 2. passing tokenizer is not necessary? no encoding/decoding is happending here


def _pre_process_inputs(pad_token_id, prompt_token_ids: torch.Tensor) -> List[int]:
    # remove the left padding in the prompt token_id
    non_pad_index = torch.nonzero(prompt_token_ids != pad_token_id, as_tuple=False)[0][0]
    return prompt_token_ids[non_pad_index:].tolist()


def _repeat_interleave(value: torch.Tensor, repeats: int) -> torch.Tensor:
    return value.repeat_interleave(repeats, dim=0)


def pad_2d_list(values, pad, length) -> torch.Tensor:
    return torch.tensor([list(v) + [pad] * (length - len(v)) for v in values])


class vLLMRollout:
    def __init__(self, model_path: str, config, tokenizer, data_config):
        self.config = config
        self.pad_token_id = tokenizer.pad_token_id
        self.response_length = data_config.max_response_length
        tensor_parallel_size = self.config.get("tensor_model_parallel_size", 1)
        max_model_len = int(data_config.max_prompt_length + data_config.max_response_length)

        # copy it to avoid secretly modifying the engine config
        engine_kwargs = {} if "engine_kwargs" not in config else dict(config.engine_kwargs)
        # For each vLLM engine parameter,
        # - `None` means not setting it, so we pop it, and leave it to vLLM default value
        engine_kwargs = {key: val for key, val in engine_kwargs.items() if val is not None}

        self.inference_engine = LLM(
            model=model_path,
            tensor_parallel_size=tensor_parallel_size,
            dtype=config.dtype,
            enforce_eager=config.enforce_eager,
            gpu_memory_utilization=config.gpu_memory_utilization,
            skip_tokenizer_init=False,
            max_model_len=max_model_len,
            max_num_seqs=config.max_num_seqs,
            disable_log_stats=config.disable_log_stats,
            max_num_batched_tokens=config.max_num_batched_tokens,
            **engine_kwargs,
        )

        kwargs = dict(
            n=1,
            logprobs=0,  # can be set to 0 and let actor to recompute
            max_tokens=self.response_length,
        )
        kwargs["detokenize"] = False
        # supporting adding any sampling params from the config file
        for k in config.keys():
            if hasattr(SamplingParams(), str(k)):
                kwargs[k] = config.get(k)
        print(f"kwargs: {kwargs}")
        self.sampling_params = SamplingParams(**kwargs)

    @contextmanager
    def update_sampling_params(self, **kwargs):
        # update sampling params
        old_sampling_params_args = {}
        if kwargs:
            for key, value in kwargs.items():
                if hasattr(self.sampling_params, key):
                    old_value = getattr(self.sampling_params, key)
                    old_sampling_params_args[key] = old_value
                    setattr(self.sampling_params, key, value)
        yield
        # roll back to previous sampling params
        # if len(old_sampling_params_args):
        for key, value in old_sampling_params_args.items():
            setattr(self.sampling_params, key, value)

    @torch.no_grad()
    def generate_sequences(self, idx: torch.Tensor, do_sample=True, **kwargs) -> Dict[str, Any]:
        # parse idx from torch.Tensor to List[List[str]]
        idx_list = [_pre_process_inputs(self.pad_token_id, row) for row in idx]
        if not do_sample:
            kwargs = {
                "best_of": 1,
                "top_p": 1.0,
                "top_k": -1,
                "min_p": 0.0,
                "temperature": 0,
                "n": 1,  # if greedy, only 1 response
            }

        # users can customize different sampling_params at different run
        with self.update_sampling_params(**kwargs):
            outputs = self.inference_engine.generate(
                prompts=None,  # because we have already convert it to prompt token id
                sampling_params=self.sampling_params,
                prompt_token_ids=idx_list,
                use_tqdm=False,
            )
            n = self.sampling_params.n

        response: List[Union[List[int], tuple]] = []
        rollout_log_probs = []
        for output in outputs:
            for sample_id in range(len(output.outputs)):
                response_ids = output.outputs[sample_id].token_ids
                response.append(response_ids)
                curr_log_prob = []
                for i, logprob in enumerate(output.outputs[sample_id].logprobs):
                    curr_log_prob.append(logprob[response_ids[i]].logprob)
                rollout_log_probs.append(curr_log_prob)

        lengths = [len(r) for r in response]
        response = pad_2d_list(response, self.pad_token_id, self.response_length)
        rollout_log_probs = pad_2d_list(rollout_log_probs, 0.0, self.response_length).to(torch.float32)
        if n > 1:
            idx = _repeat_interleave(idx, n)
        return {
            "prompts": idx,
            "responses": response,
            "response_lengths": lengths,
            "rollout_log_probs": rollout_log_probs,
        }
