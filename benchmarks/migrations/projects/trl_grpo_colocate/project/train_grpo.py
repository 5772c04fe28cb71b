import argparse
import json
import os

from grpo_config import GRPOConfig
from grpo_trainer import GRPOTrainer
from rewards import accuracy_reward, length_reward


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_steps", type=int, default=2)
    parser.add_argument("--num_generations", type=int, default=4)
    cli = parser.parse_args()

    with open(os.environ["PROMPTS"]) as f:
        dataset = [json.loads(line) for line in f]

    args = GRPOConfig(
        output_dir=os.environ["OUT"],
        max_steps=cli.max_steps,
        num_generations=cli.num_generations,
        max_prompt_length=128,
        max_completion_length=64,
        temperature=0.7,
        top_p=0.9,
        top_k=50,
        use_vllm=True,
        vllm_device="auto",
        vllm_gpu_memory_utilization=0.5,
        vllm_dtype="bfloat16",
        vllm_max_model_len=256,
    )
    trainer = GRPOTrainer(
        model=os.environ["MODEL"],
        reward_funcs=[accuracy_reward, length_reward],
        args=args,
        train_dataset=dataset,
    )
    trainer.train()


if __name__ == "__main__":
    main()
