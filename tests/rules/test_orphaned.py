"""Methods that override what the target's class doesn't have: found where only vLLM could call them."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level

HEAD = "from vllm.multimodal.processing import BaseMultiModalProcessor as Base\n\n\nclass Mine(Base):\n"
OVERRIDE = f"{HEAD}    def _get_data_parser(self):\n        return Parser()\n"


def test_an_override_of_a_method_that_is_gone_is_found() -> None:
    (found,) = find(by_code("VM411"), OVERRIDE)
    assert found.level is Level.WARNING
    assert "BaseMultiModalProcessor._get_data_parser() is gone" in found.message
    assert found.advice == "vllm.multimodal.processing.BaseProcessingInfo.get_data_parser is asked for it"


@pytest.mark.parametrize(
    "text",
    [
        f"{OVERRIDE}\n    def use(self):\n        return self._get_data_parser()\n",
        f"{HEAD}    def my_own(self):\n        return 1\n",
        "from vllm.own import Base\n\n\nclass Mine(Base):\n    def _get_data_parser(self):\n        pass\n",
        "from torch import nn\n\n\nclass Mine(nn.Module):\n    def _get_data_parser(self):\n        pass\n",
    ],
)
def test_a_method_that_something_else_may_call_is_not(text: str) -> None:
    assert not [one for one in find(by_code("VM411"), text) if "is gone" in one.message]
