#!/bin/bash
cd "$(dirname "$0")" || exit 1
VLLM_USE_V1=0 TOKENIZERS_PARALLELISM=false exec python3 selfplay.py
