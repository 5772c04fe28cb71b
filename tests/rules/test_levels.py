"""How bad a finding is where the code around it never runs, and where a module is imported by its name."""

from __future__ import annotations

import pytest
from rule_support import by_code, find

from vllm_migrate.edits.model import Level
from vllm_migrate.files.prefilter import worth_parsing

_LAZY = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("VM102", "import vllm.sequence\n\n\ndef f(x: vllm.sequence.SequenceGroup) -> None: ...\n"),
        ("VM101", "import vllm.utils\n\n\ndef f(x: vllm.utils.FlexibleArgumentParser) -> None: ...\n"),
        (
            "VM190",
            "import vllm.model_executor.layers.fused_moe as moe\n\n\ndef f(x: moe.FusedMoE) -> None: ...\n",
        ),
    ],
)
def test_what_is_never_evaluated_is_a_note(code: str, text: str) -> None:
    now = [one.level for one in find(by_code(code), text) if "import" not in one.message]
    lazy = [one.level for one in find(by_code(code), _LAZY + text)]
    assert now == [Level.ERROR]
    assert lazy == [Level.NOTE]


def test_an_import_for_type_checkers_is_a_note_beside_an_error_where_the_class_is_used() -> None:
    text = (
        "from typing import TYPE_CHECKING\n\nimport vllm\n\nif TYPE_CHECKING:\n"
        "    from vllm.sampling_params import GuidedDecodingParams\n\n\n"
        'def guide(schema) -> "GuidedDecodingParams":\n'
        "    return vllm.sampling_params.GuidedDecodingParams(json=schema)\n"
    )
    assert [one.level for one in find(by_code("VM302"), text)] == [Level.NOTE, Level.ERROR]


@pytest.mark.parametrize("importer", ["importlib.import_module", "import_module", "try_import"])
def test_a_module_that_is_imported_by_its_name_is_followed(importer: str) -> None:
    text = (
        f'vllm = {importer}("vllm")\n\n\n'
        "def guide(schema):\n    return vllm.sampling_params.GuidedDecodingParams(json=schema)\n"
    )
    assert [one.level for one in find(by_code("VM302"), text)] == [Level.ERROR]
    assert worth_parsing(text.encode())
    assert not worth_parsing(text.replace('"vllm"', '"other"').replace("vllm", "v").encode())
