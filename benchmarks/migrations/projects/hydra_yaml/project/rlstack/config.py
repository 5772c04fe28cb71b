"""A small Hydra: `defaults`, ${env:NAME}, dotted overrides, attribute access."""
import os
import re

import yaml


class Node(dict):
    """A mapping whose keys are attributes, too."""

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key, value):
        self[key] = value


_ENV = re.compile(r"\$\{env:(\w+)\}")


def _node(value):
    if isinstance(value, dict):
        return Node({key: _node(entry) for key, entry in value.items()})
    if isinstance(value, list):
        return [_node(entry) for entry in value]
    if isinstance(value, str):
        return _ENV.sub(lambda m: os.environ[m.group(1)], value)
    return value


def compose(folder, name="config", overrides=()):
    with open(os.path.join(folder, f"{name}.yaml")) as f:
        raw = yaml.safe_load(f)
    for entry in raw.pop("defaults", []):
        ((group, choice),) = entry.items()
        with open(os.path.join(folder, group, f"{choice}.yaml")) as f:
            raw[group] = yaml.safe_load(f)
    config = _node(raw)
    for override in overrides:
        path, _, value = override.partition("=")
        *parents, last = path.lstrip("+").split(".")
        target = config
        for parent in parents:
            target = target[parent]
        target[last] = yaml.safe_load(value)
    return config
