"""Makes the helpers of this directory importable, and an engine without vLLM for those that need none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vllm_migrate.engines.environment import EngineEnvironment, write_manifest
from vllm_migrate.engines.paths import VARIABLE, engines_root

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def plain_engine(tmp_path_factory):
    """An engine of the cache that is no vLLM: its worker says hello and loads nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        root = engines_root() / "plain"
        root.mkdir(parents=True)
        made = EngineEnvironment(
            "plain", "v1", "0.32.0", "vllm==0.32.0", "cpu", Path(sys.executable), root, external=True
        )
        write_manifest(root, made)
        yield made
