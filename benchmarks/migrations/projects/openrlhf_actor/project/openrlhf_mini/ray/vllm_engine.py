import os

from openrlhf_mini.utils import launch
from openrlhf_mini.utils.launch import get


class BaseLLMActor:
    def __init__(self, *args, **kwargs):
        # a hack to make the script work: stop ray from manipulating CUDA_VISIBLE_DEVICES at the top level
        if kwargs.get("distributed_executor_backend") == "ray":
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        self.requests = {}
        self.response_queues = {}


class LLMActor(BaseLLMActor):
    def __init__(self, *args, full_determinism=False, **kwargs):
        super().__init__(*args, **kwargs)
        import vllm
        from packaging import version

        self.__version__ = vllm.__version__
        assert version.parse(self.__version__) >= version.parse("0.7.0"), "OpenRLHF only supports vLLM >= 0.7.0"

        if full_determinism:
            # https://github.com/vllm-project/vllm/blob/effc5d24fae10b29996256eb7a88668ff7941aed/examples/offline_inference/reproduciblity.py
            os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

        kwargs["worker_cls"] = "openrlhf_mini.ray.vllm_worker_wrap.WorkerWrap"
        self.llm = vllm.LLM(*args, **kwargs)

    def update_weight_from_file(self, path, empty_cache=False):
        return self.llm.collective_rpc("update_weight_from_file", args=(path, empty_cache))

    def reset_prefix_cache(self):
        self.llm.llm_engine.reset_prefix_cache()

    def add_requests(self, actor_rank, *, sampling_params, prompt_token_ids):
        self.requests[actor_rank] = prompt_token_ids
        num_requests = []
        requests = []
        for rank, request in self.requests.items():
            num_requests.append((rank, len(request)))
            requests.extend(request)
        if len(requests) > 0:
            responses = self.llm.generate(sampling_params=sampling_params, prompt_token_ids=requests)
        else:
            responses = []
        offset = 0
        for rank, num in num_requests:
            self.response_queues[rank] = responses[offset : offset + num]
            offset += num
        self.requests = {}

    def get_responses(self, actor_rank):
        return self.response_queues.pop(actor_rank)


LLMRayActor = launch.remote(LLMActor)


def create_vllm_engines(
    num_engines,
    tensor_parallel_size,
    pretrain,
    seed,
    full_determinism,
    enforce_eager,
    max_model_len,
    dtype="auto",
    gpu_memory_utilization=None,
):
    vllm_engines = []
    distributed_executor_backend = "uni" if tensor_parallel_size == 1 else "ray"
    for i in range(num_engines):
        vllm_engines.append(
            LLMRayActor.options(num_cpus=0.2, num_gpus=int(tensor_parallel_size == 1)).remote(
                model=pretrain,
                enforce_eager=enforce_eager,
                tensor_parallel_size=tensor_parallel_size,
                seed=seed + i,
                distributed_executor_backend=distributed_executor_backend,
                max_model_len=max_model_len,
                dtype=dtype,
                trust_remote_code=False,
                full_determinism=full_determinism,
                gpu_memory_utilization=gpu_memory_utilization or 0.9,
            )
        )
    return vllm_engines


def batch_vllm_engine_call(engines, method_name, *args, **kwargs):
    return get([getattr(engine, method_name).remote(*args, **kwargs) for engine in engines])
