#!/bin/bash
cd "$(dirname "$0")"
env VLLM_USE_V1=0 python3 collect.py
