"""Tokens that a completion must not contain.

The policy was pretrained with filler that degenerates into a few stop words; during rejection sampling these are
banned outright, and a second question (the model likes to go on with one) is not allowed before the answer.
"""
import torch


class BanTokens:
    """Per-request logits processor: these ids are never sampled."""

    def __init__(self, token_ids):
        self.token_ids = list(token_ids)

    def __call__(self, token_ids, logits):
        logits[self.token_ids] = float("-inf")
        return logits


def ban_until(required, banned):
    """Ban `banned` until `required` has been generated."""

    def processor(token_ids, logits):
        if required not in token_ids:
            logits[banned] = torch.finfo(logits.dtype).min
        return logits

    return processor
