#!/bin/sh
cd "$(dirname "$0")" && VLLM_USE_V1=0 PYTHONPATH=. python3 -m distill.teacher
