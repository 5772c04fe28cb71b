import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tinylm.params import SamplingParams


class _Worker:
    def __init__(self, model):
        self.model_runner = self
        self.model = model


class LLM:
    """Samples with transformers. `swap_space` is accepted, as scripts pass it."""

    def __init__(self, model, seed=None, swap_space=4, enforce_eager=True):
        self.model = AutoModelForCausalLM.from_pretrained(model, torch_dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.generator = torch.Generator()
        if seed is not None:
            self.generator.manual_seed(seed)
        self.driver_worker = _Worker(self.model)

    @torch.inference_mode()
    def generate(self, prompts=None, sampling_params=None, prompt_token_ids=None, use_tqdm=False):
        params = sampling_params or SamplingParams()
        if prompt_token_ids is None:
            prompt_token_ids = [self.tokenizer.encode(p) for p in prompts]
        return [self._one(ids, params) for ids in prompt_token_ids for _ in range(params.best_of or params.n)]

    def _one(self, prompt, params):
        ids, out, logprobs = list(prompt), [], []
        for _ in range(params.max_tokens):
            logits = self.model(torch.tensor([ids])).logits[0, -1].float()
            for processor in params.logits_processors:
                logits = processor(out, logits)
            logits = logits / params.temperature
            if params.top_k > 0:
                logits[logits < logits.topk(params.top_k).values[-1]] = float("-inf")
            logp = logits.log_softmax(-1)
            token = int(torch.multinomial(logp.exp(), 1, generator=self.generator))
            ids.append(token)
            out.append(token)
            logprobs.append(float(logp[token]))
            if token == self.tokenizer.eos_token_id:
                break
        return {"prompt_token_ids": list(prompt), "token_ids": out, "logprobs": logprobs}
