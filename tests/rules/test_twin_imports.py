"""A module that is imported by its name is no patch, and one of two that the target has is enough."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

GONE, THERE = "vllm.model_executor.parallel_utils.parallel_state", "vllm.distributed.parallel_state"


def codes(text: str) -> list[str]:
    return [one.code for code in ("VM101", "VM102", "VM504") for one in find(by_code(code), text)]


def either(first: str, second: str, caught: str = "ModuleNotFoundError") -> str:
    return (
        "import importlib\n\n\ndef state():\n    try:\n"
        f'        return importlib.import_module("{first}")\n    except {caught}:\n'
        f'        return importlib.import_module("{second}")\n'
    )


def test_a_module_imported_by_its_name_is_an_import_that_fails() -> None:
    found = codes(f'import importlib\n\nstate = importlib.import_module("{GONE}")\n')
    assert found
    assert "VM504" not in found


@pytest.mark.parametrize(
    "caught", ["ImportError", "ModuleNotFoundError", "(ImportError, ModuleNotFoundError)"]
)
def test_a_fallback_the_target_does_not_come_to(caught: str) -> None:
    assert codes(either(THERE, GONE, caught)) == []


def test_a_fallback_the_target_takes() -> None:
    assert codes(either(GONE, THERE)) == []


def test_a_fallback_that_other_failures_lead_to() -> None:
    assert codes(either(THERE, GONE, "Exception"))


def test_two_that_the_target_lacks() -> None:
    assert len(codes(either(GONE, "vllm.worker.worker"))) == 2
