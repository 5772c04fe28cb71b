#!/usr/bin/env bash
set -xeuo pipefail

export VLLM_USE_V1=0
export VLLM_ATTENTION_BACKEND=${VLLM_ATTENTION_BACKEND:-TORCH_SDPA}

cd "$(dirname "$0")/.."
python3 -m rlstack.main \
    seed=7 \
    trainer.total_steps=2 \
    rollout.engine_kwargs.gpu_memory_utilization=0.6 \
    rollout.engine_kwargs.swap_space=0 \
    +rollout.engine_kwargs.max_num_seqs=32 \
    "$@"
