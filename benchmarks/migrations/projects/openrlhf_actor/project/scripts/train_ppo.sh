set -e
cd "$(dirname "$0")/.."

export VLLM_USE_V1=0
export VLLM_LOGGING_LEVEL=WARNING
export TOKENIZERS_PARALLELISM=false

python -m openrlhf_mini.train_ppo_ray \
   --pretrain "$MODEL" \
   --prompt_data "$PROMPTS" \
   --save_path "$OUT" \
   --vllm_num_engines 1 \
   --vllm_tensor_parallel_size 1 \
   --rollout_batch_size 20 \
   --num_episodes 2 \
   --prompt_max_len 128 \
   --generate_max_len 48 \
   --temperature 0.8 \
   --top_p 0.95 \
   --vllm_sync_backend file
