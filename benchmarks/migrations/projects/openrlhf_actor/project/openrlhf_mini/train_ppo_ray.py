import argparse
import json
import os

from transformers import AutoTokenizer

from openrlhf_mini.experience_maker import RemoteExperienceMaker
from openrlhf_mini.ppo_actor import ActorPPOTrainer
from openrlhf_mini.ray.vllm_engine import create_vllm_engines


def train(args):
    tokenizer = AutoTokenizer.from_pretrained(args.pretrain)
    with open(args.prompt_data) as f:
        data = [json.loads(line) for line in f]

    vllm_engines = create_vllm_engines(
        args.vllm_num_engines,
        args.vllm_tensor_parallel_size,
        args.pretrain,
        args.seed,
        args.full_determinism,
        args.enforce_eager,
        args.prompt_max_len + args.generate_max_len,
        dtype="float32",
        gpu_memory_utilization=args.vllm_gpu_memory_utilization,
    )
    maker = RemoteExperienceMaker(args, tokenizer, vllm_engines)
    actor = ActorPPOTrainer(args, vllm_engines)

    stats = []
    with open(os.path.join(args.save_path, "rollouts.jsonl"), "w") as f:
        for episode in range(args.num_episodes):
            rows = data[episode * args.rollout_batch_size : (episode + 1) * args.rollout_batch_size]
            samples = maker.generate_samples(
                [row["prompt"] for row in rows],
                temperature=args.temperature,
                top_p=args.top_p,
                max_new_tokens=args.generate_max_len,
            )
            rewards = [float(row["answer"] in s.text.replace(" ", "")) for row, s in zip(rows, samples)]
            for s in samples:
                line = {
                    "prompt_token_ids": s.prompt_token_ids,
                    "token_ids": s.token_ids,
                    "logprobs": s.rollout_log_probs,
                    "sampling": {
                        "temperature": args.temperature,
                        "top_p": args.top_p,
                        "max_tokens": args.generate_max_len,
                        "min_tokens": 1,
                    },
                    "weights_version": episode,
                    "text": s.text,
                }
                f.write(json.dumps(line) + "\n")
            stats.append({"episode": episode, "reward": sum(rewards) / len(rewards)})
            print(stats[-1], flush=True)
            if episode + 1 < args.num_episodes:
                actor.ppo_train(samples, rewards)
                actor.broadcast_to_vllm()
    with open(os.path.join(args.save_path, "stats.json"), "w") as f:
        json.dump(stats, f)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pretrain", type=str, required=True)
    parser.add_argument("--prompt_data", type=str, required=True)
    parser.add_argument("--save_path", type=str, required=True)
    parser.add_argument("--vllm_num_engines", type=int, default=1)
    parser.add_argument("--vllm_tensor_parallel_size", type=int, default=1)
    parser.add_argument("--vllm_sync_backend", type=str, default="file")
    parser.add_argument("--vllm_gpu_memory_utilization", type=float, default=0.9)
    parser.add_argument("--rollout_batch_size", type=int, default=20)
    parser.add_argument("--num_episodes", type=int, default=2)
    parser.add_argument("--prompt_max_len", type=int, default=128)
    parser.add_argument("--generate_max_len", type=int, default=48)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top_p", type=float, default=1.0)
    parser.add_argument("--actor_learning_rate", type=float, default=1e-3)
    parser.add_argument("--enforce_eager", action="store_true", default=True)
    parser.add_argument("--full_determinism", action="store_true", default=False)
    parser.add_argument("--seed", type=int, default=42)
    train(parser.parse_args())
