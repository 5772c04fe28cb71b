#!/bin/bash
# Best-of-N completions for one round of expert iteration.
#   MODEL=... PROMPTS=... OUT=... ./run.sh [--keep 2 --best-of 8]
set -eu
cd "$(dirname "$0")"
export VLLM_USE_V1=0
export VLLM_WORKER_MULTIPROC_METHOD=spawn
export TOKENIZERS_PARALLELISM=false
python3 generate.py \
    --model "$MODEL" \
    --prompts "$PROMPTS" \
    --output "$OUT/rollouts.jsonl" \
    "$@"
python3 sft.py --model "$MODEL" --data "$OUT/rollouts.jsonl" --output "$OUT/tuned.safetensors"
