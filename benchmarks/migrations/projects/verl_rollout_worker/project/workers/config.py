import os
import re

import yaml


class Config(dict):
    """Attribute access to nested settings, as OmegaConf has it."""

    def __getattr__(self, name):
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        return Config(value) if isinstance(value, dict) else value


def load(path):
    with open(path) as f:
        text = f.read()
    text = re.sub(r"\$\{(\w+)\}", lambda match: os.environ[match.group(1)], text)
    return Config(yaml.safe_load(text))
