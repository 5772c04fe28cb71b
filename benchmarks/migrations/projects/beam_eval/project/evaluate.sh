#!/usr/bin/env bash
# Compare decoders on one checkpoint.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export VLLM_USE_V1=0
export VLLM_LOGGING_LEVEL=WARNING

python3 evaluate.py \
    --model "$MODEL" \
    --prompts "$PROMPTS" \
    --output-dir "$OUT" \
    --dtype bfloat16 \
    --max-model-len 256 \
    --swap-space 0 \
    --use-v2-block-manager \
    --num-scheduler-steps 1 \
    --enforce-eager \
    --beam-width 3
