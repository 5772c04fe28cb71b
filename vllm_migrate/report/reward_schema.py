"""The JSON Schema of the report on a reward, made from the report's own types.

`python -m vllm_migrate.report.reward_schema docs/schema/reward.json` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from vllm_migrate.report.audit_schema import page_of, schema_of
from vllm_migrate.report.reward_json import SCHEMA
from vllm_migrate.reward.outcome import RewardReport


def schema() -> dict[str, Any]:
    """The schema as plain values. Keys that it does not name may be added in later releases."""
    about = "verdict is null where nothing could be examined; reason says why."
    return schema_of(RewardReport, SCHEMA, "reward", about)


def page() -> str:
    """The schema as it is published."""
    return page_of(schema())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
