"""The API of every release that matters, extracted from its wheel: the backstop for what no fact names.

    surface = load_surface("vllm", "0.18.1")
    surface.has_name("vllm.utils", "get_open_port")             # False
    surface.where_now("vllm.utils.get_open_port")               # ("vllm.utils.network_utils.get_open_port",)
    surface.parameters("vllm.SamplingParams")["temperature"]    # "1.0"

Adding a release: `python -m vllm_migrate.facts.surface.extract vllm 0.34.0` (docs/adding-a-release.md).
"""

from __future__ import annotations

from vllm_migrate.facts.surface.lookup import Surface
from vllm_migrate.facts.surface.store import known_versions, load_surface

__all__ = ["Surface", "known_versions", "load_surface"]
