#!/bin/bash
set -e
cd "$(dirname "$0")"
export VLLM_USE_V1=0
python3 rounds.py --rounds 3 "$@"
