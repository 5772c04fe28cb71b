"""The JSON Schema of the report on a reward, made from the report's own types.

`python -m vllm_migrate.report.reward_schema docs/schema/reward.json` writes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vllm_migrate.report.audit_schema import DIALECT, Definitions
from vllm_migrate.report.reward_json import SCHEMA
from vllm_migrate.reward.outcome import RewardReport


def schema() -> dict[str, Any]:
    """The schema as plain values. Keys that it does not name may be added in later releases."""
    made = Definitions()
    root = made.object_of(RewardReport)
    return {
        "$schema": DIALECT,
        "title": "Report of vllm-migrate reward",
        "description": (
            "verdict is null where nothing could be examined; reason says why. Figures that are not finite "
            "are null. Readers should ignore keys they do not know."
        ),
        **root,
        "properties": {"schema": {"const": SCHEMA}, **root["properties"]},
        "required": ["schema", *root["required"]],
        "$defs": dict(sorted(made.definitions.items())),
    }


def page() -> str:
    """The schema as it is published."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
