"""A quarter for each of four tags that stands there once, after open-r1's.

task: think
"""


def reward(completions, **kwargs):
    def one(text):
        tags = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
        return sum(0.25 for tag in tags if text.count(tag) == 1)

    return [one(text) for text in completions]
