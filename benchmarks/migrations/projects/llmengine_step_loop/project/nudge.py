"""The "optimizer" of this smoke test: a fixed random direction, so that runs can be compared."""
import torch


def nudge(state, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    moved = {}
    for name, value in state.items():
        if value.ndim < 2:
            moved[name] = value.clone()
            continue
        noise = torch.randn(value.shape, generator=generator)
        moved[name] = (value.float() + scale * value.float().std() * noise).to(torch.bfloat16)
    return moved
