"""Asks a (local) checker asynchronously, one coroutine a text.

task: gsm8k
"""

import asyncio
import re


async def check(text, gold):
    await asyncio.sleep(0)
    found = re.findall(r"####\s*([-+]?\d[\d,]*)", text)
    return 1.0 if found and found[-1].replace(",", "") == gold else 0.0


async def reward(prompts, completions, answer, **kwargs):
    return await asyncio.gather(*(check(text, gold) for text, gold in zip(completions, answer)))
