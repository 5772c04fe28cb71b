"""VM411 compares with the oldest API that is known where the code is older than that."""

from __future__ import annotations

import pytest
from rule_support import by_code, find


@pytest.mark.parametrize("source", ["0.4.2", "0.6.5", "0.8.5"])
def test_the_nearest_known_api_stands_for_an_older_one(source: str) -> None:
    text = by_code("VM411").examples[1].before
    (finding,) = find(by_code("VM411"), text, source=source)
    assert "sampling_metadata" in finding.message


def test_a_method_that_takes_anything_on_the_target_may_be_given_it() -> None:
    text = (
        "from vllm.model_executor.layers.rotary_embedding import DeepseekScalingRotaryEmbedding\n\n\n"
        "class Rope(DeepseekScalingRotaryEmbedding):\n    def forward(self, positions, query, key):\n"
        "        return query, key\n"
    )
    assert find(by_code("VM411"), text) == []
