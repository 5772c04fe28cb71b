"""What stands in a dictionary is a default where others are taken by keys that only running shows."""

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Safety

HEAD = 'from vllm import SamplingParams\n\nparams = {"n": 1, "use_beam_search": False}\n\n\n'
SERVE = "def serve(request):\n    {}\n    return SamplingParams(**params)\n"


@pytest.mark.parametrize(
    ("line", "safety"),
    [
        ("params[request.key] = request.value", Safety.UNSAFE),
        ("params.update(request)", Safety.UNSAFE),
        ("params.update(**request)", Safety.UNSAFE),
        ('params["n"] = 2', Safety.SAFE),
        ("params.update(n=2)", Safety.SAFE),
        ("other_params[key] = 2", Safety.SAFE),
        ("found = params[key] == 2", Safety.SAFE),
    ],
)
def test_a_dictionary_that_takes_any_key_holds_defaults(line: str, safety: Safety) -> None:
    (found,) = find(by_code("VM301"), HEAD + SERVE.format(line))
    assert found.edits
    assert found.safety is safety
    assert ("the keys of others are taken" in found.precondition) is (safety is Safety.UNSAFE)
