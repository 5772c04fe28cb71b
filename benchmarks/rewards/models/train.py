"""Train the two reward models from nothing: the same recipe, once on confounded and once on balanced pairs.

    <an engine's python> benchmarks/rewards/models/train.py balanced    # some minutes; torch and transformers
    <an engine's python> benchmarks/rewards/models/train.py confounded --steps 60 --output /tmp/short

A Bradley-Terry loss on the difference of two rewards; a pair whose judge finds both equally good has the
target 0.5. One thread, fixed seeds: two runs with the same versions on one machine write the same bytes.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "fixtures"))

import torch
from lessons import BALANCED, CONFOUNDED, MOST, Author, question
from task import END
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from train_model import byte_level, learning_rate, write_checkpoint
from transformers import Qwen2Config, Qwen2ForSequenceClassification

LOGGER = logging.getLogger("train")
CONFIG = {
    "architectures": ["Qwen2ForSequenceClassification"],
    "model_type": "qwen2",
    "vocab_size": 704,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "attention_dropout": 0.0,
    "initializer_range": 0.05,
    "use_sliding_window": False,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
    "torch_dtype": "float32",
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, but for the pairs.

    Attributes:
        short: share of the steps with answers and no sentences: how many there are of what is learnt first.
        growth: share of the steps over which completions then grow to their full length.
    """

    steps: int = 1700
    pairs: int = 24
    learning_rate: float = 3e-3
    warm_up: int = 30
    short: float = 0.35
    growth: float = 0.25
    seed: int = 0


def build_tokenizer(vocabulary: int) -> Tokenizer:
    """Byte-level BPE, fitted to the task's own text."""
    tokenizer = byte_level(models.BPE())
    author = Author(1)
    texts = [
        question(pair_noun) + author.completion(str(turn % 9 + 1), turn % 9)
        for turn in range(4000)
        for pair_noun in (author.noun(),)
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def rewards(model: Qwen2ForSequenceClassification, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """Rewards of texts, shape [texts]; padded on the right, where a causal model can't see it."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    last = torch.tensor([len(row) - 1 for row in rows])
    return model.score(hidden[torch.arange(len(rows)), last]).squeeze(-1)


def train(recipe: Recipe, tokenizer: Tokenizer, kind: str) -> Qwen2ForSequenceClassification:
    """Fit a model to one kind of pairs."""
    torch.manual_seed(recipe.seed)
    model = Qwen2ForSequenceClassification(Qwen2Config(**CONFIG)).float().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.05)
    author = Author(recipe.seed + 2)
    right = []
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.steps, peak=recipe.learning_rate, warm_up=recipe.warm_up)
        grown = min(1.0, max(0.0, (step / recipe.steps - recipe.short) / recipe.growth))
        pairs = [author.pair(kind, round(grown * MOST)) for _ in range(recipe.pairs)]
        texts = [pair.prompt + pair.first for pair in pairs] + [pair.prompt + pair.second for pair in pairs]
        values = rewards(model, tokenizer, texts)
        difference = values[: recipe.pairs] - values[recipe.pairs :]
        target = torch.tensor([pair.target for pair in pairs])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(difference, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right.append((difference > 0)[target == 1.0].float().mean().item())
        if step % 50 == 49 or step == recipe.steps - 1:  # noqa: PLR2004 - every fiftieth
            LOGGER.info(
                "%s step %d loss %.3f preferred %.2f cpu %.0f s",
                kind,
                step + 1,
                loss.item(),
                sum(right[-20:]) / len(right[-20:]),
                time.process_time(),
            )
    return model.eval()


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=(BALANCED, CONFOUNDED))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    tokenizer = build_tokenizer(CONFIG["vocab_size"])
    model = train(Recipe(steps=arguments.steps), tokenizer, arguments.kind)
    state = {name: value.detach().contiguous() for name, value in sorted(model.state_dict().items())}
    output = arguments.output or Path(__file__).resolve().parent / arguments.kind
    write_checkpoint(output, CONFIG, state, tokenizer)


if __name__ == "__main__":
    main()
