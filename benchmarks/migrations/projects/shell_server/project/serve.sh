#!/usr/bin/env bash
exec python -m vllm.entrypoints.openai.api_server \
    --model "$MODEL" \
    --served-model-name policy \
    --host 127.0.0.1 --port "$PORT" \
    --dtype bfloat16 \
    --max-model-len 256 \
    --max-num-seqs 64 \
    --seed 5 \
    --swap-space 0 \
    --enforce-eager \
    --use-v2-block-manager \
    --num-scheduler-steps 1 \
    --max-seq-len-to-capture 256 \
    --guided-decoding-backend xgrammar \
    --disable-frontend-multiprocessing \
    --disable-log-requests
