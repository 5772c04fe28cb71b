"""A class whose instances are called; answers in words, without regard to case, articles and full stops.

task: capitals
function: CapitalReward
"""

import re


class CapitalReward:
    def __init__(self):
        self.__name__ = "capital_reward"

    def normal(self, text):
        text = re.sub(r"[^\w\s]", " ", text.casefold())
        return " ".join(word for word in text.split() if word not in ("the", "a", "an"))

    def __call__(self, prompts, completions, answer, **kwargs):
        rewards = []
        for text, gold in zip(completions, answer):
            found = re.findall(r"Answer:[ \t]*(.+)", text)
            rewards.append(1.0 if found and self.normal(found[-1]) == self.normal(gold) else 0.0)
        return rewards
