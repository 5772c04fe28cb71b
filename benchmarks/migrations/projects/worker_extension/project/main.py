import os

os.environ["VLLM_USE_V1"] = "0"

from trainer import Reinforce, ReinforceConfig

if __name__ == "__main__":
    config = ReinforceConfig(
        model=os.environ["MODEL"],
        prompts=os.environ["PROMPTS"],
        output_dir=os.environ["OUT"],
    )
    Reinforce(config).train()
