"""Share of a rubric's facts that the explanation holds, each counted once.

task: essays
"""


def reward(prompts, completions, rubric, **kwargs):
    rewards = []
    for text, facts in zip(completions, rubric):
        lowered = text.lower()
        rewards.append(sum(fact in lowered for fact in facts) / len(facts))
    return rewards
