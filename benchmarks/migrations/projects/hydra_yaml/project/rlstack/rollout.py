from contextlib import contextmanager

from vllm import LLM, SamplingParams


class VLLMRollout:
    def __init__(self, model_path, config, data_config, seed):
        engine_kwargs = dict(config.engine_kwargs)
        # null means: the engine's own default
        engine_kwargs = {key: value for key, value in engine_kwargs.items() if value is not None}
        self.config = config
        self.inference_engine = LLM(model=model_path, skip_tokenizer_init=False, seed=seed, **engine_kwargs)
        self.tokenizer = self.inference_engine.get_tokenizer()

        kwargs = dict(detokenize=True, max_tokens=data_config.max_response_length)
        for key in config.sampling.keys():
            if hasattr(SamplingParams(), str(key)):
                kwargs[key] = config.sampling.get(key)
        self.sampling_params = SamplingParams(**kwargs)

    @contextmanager
    def update_sampling_params(self, **kwargs):
        """Other settings for a while, e.g. for validation."""
        old = {}
        for key, value in kwargs.items():
            if hasattr(self.sampling_params, key):
                old[key] = getattr(self.sampling_params, key)
                setattr(self.sampling_params, key, value)
        yield
        for key, value in old.items():
            setattr(self.sampling_params, key, value)

    def generate_sequences(self, prompt_ids, do_sample=True):
        overrides = {} if do_sample else {"best_of": 1, **self.config.val_sampling}
        with self.update_sampling_params(**overrides):
            outputs = self.inference_engine.generate(
                prompts=None,
                sampling_params=self.sampling_params,
                prompt_token_ids=prompt_ids,
                use_tqdm=False,
            )
            used = {key: getattr(self.sampling_params, key) for key in ("n", "temperature", "top_p", "top_k", "max_tokens")}
        batch = []
        for output in outputs:
            for sample in output.outputs:
                response = list(sample.token_ids)
                log_probs = [sample.logprobs[i][token].logprob for i, token in enumerate(response)]
                batch.append((list(output.prompt_token_ids), response, log_probs, sample.text, used))
        return batch

    def sync_from(self, state_dict):
        engine = self.inference_engine.llm_engine
        engine.model_executor.driver_worker.worker.model_runner.model.load_weights(
            (name, tensor) for name, tensor in state_dict.items()
        )
