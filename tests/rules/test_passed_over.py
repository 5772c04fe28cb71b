"""VM501: a walk that only gives something up is a note where its failure is caught."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level

WALK = "llm.llm_engine.model_executor.driver_worker"


def level(
    body: str, around: str = "try", after: str = "    except Exception as error:\n        print(error)\n"
) -> Level:
    text = (
        "import contextlib\nimport sys\n\nfrom vllm import LLM\n\n\ndef free(llm: LLM):\n"
        f"    {around}:\n        {body}\n{after}    del llm\n"
    )
    (finding,) = find(by_code("VM501"), text)
    return finding.level


@pytest.mark.parametrize(
    "body", [f"del {WALK}", f"{WALK}.shutdown()", f"{WALK} = None", f"print(1)\n        del {WALK}"]
)
def test_what_is_given_up_in_a_try_that_goes_on_is_a_note(body: str) -> None:
    assert level(body) is Level.NOTE


@pytest.mark.parametrize(
    "body",
    [
        f"{WALK}.model_runner.model.load_weights(llm.weights)",
        f"model = {WALK}.model_runner.model",
        f"del {WALK}\n        del llm.llm_engine",
    ],
)
def test_what_is_lost_by_the_failure_is_an_error(body: str) -> None:
    assert level(body) is Level.ERROR


@pytest.mark.parametrize(
    "handler",
    [
        "except AttributeError:\n        raise",
        "except Exception:\n        sys.exit(1)",
        "except KeyError:\n        pass",
    ],
)
def test_a_handler_that_does_not_go_on(handler: str) -> None:
    assert level(f"del {WALK}", after=f"    {handler}\n") is Level.ERROR


def test_a_failure_that_is_suppressed() -> None:
    assert level(f"del {WALK}", "with contextlib.suppress(AttributeError)", "") is Level.NOTE
    assert level(f"del {WALK}", "with contextlib.suppress(KeyError)", "") is Level.ERROR
