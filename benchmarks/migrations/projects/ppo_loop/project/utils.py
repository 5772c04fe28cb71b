import json
import os

import torch
from vllm.utils import Counter, get_ip, get_open_port

requests = Counter()


def set_master():
    os.environ.setdefault("MASTER_ADDR", get_ip())
    os.environ["MASTER_PORT"] = str(get_open_port())


def read_prompts(path, count):
    with open(path) as f:
        return [json.loads(line) for line, _ in zip(f, range(count))]


def score(text, answer):
    digits = "".join(c for c in text.partition("Answer:")[2] if c.isdigit())
    return 1.0 if digits == answer else 0.0


def whiten(values):
    return (values - values.mean()) / (values.std() + 1e-6)


def logprobs_from_logits(logits, labels):
    return torch.gather(logits.log_softmax(-1), 2, labels.unsqueeze(2)).squeeze(2)
