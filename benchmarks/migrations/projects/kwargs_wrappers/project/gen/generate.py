from typing import List


class Generator:
    def __init__(self, llm):
        self.llm = llm

    def _call(self, ids, sampling_params, **kw):
        call_kwargs = dict(sampling_params=sampling_params, use_tqdm=False)
        call_kwargs["prompt_token_ids"] = ids
        call_kwargs.update(kw)
        return self.llm.generate(**call_kwargs)

    def generate(self, ids: List[List[int]], sampling_params):
        found = []
        for output in self._call(ids, sampling_params):
            for completion in output.outputs:
                tokens = list(completion.token_ids)
                found.append(
                    {
                        "prompt_token_ids": list(output.prompt_token_ids),
                        "token_ids": tokens,
                        "logprobs": [step[t].logprob for t, step in zip(tokens, completion.logprobs)],
                        "text": completion.text,
                    }
                )
        return found
