from __future__ import annotations

import pytest

from vllm_migrate.files.shell_lines import joined_line


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (b"serve \\\n  --a 1\npip x\n", b"serve \\\npip x\n", 2),
        (b"serve \\\n  --a 1\n", b"serve \\\n", 2),
        (b"serve \\\n  --a 1\npip x\n", b"serve\npip x\n", 0),
        (b"serve \\\n  --a 1 \\\n  --b\npip\n", b"serve \\\n  --b\npip\n", 0),
        (b"serve \\\r\n  --a 1\r\npip x\r\n", b"serve \\\r\npip x\r\n", 2),
        (b"# note \\\nx\ny\n", b"# note \\\ny\n", 0),
    ],
)
def test_joined_line(before: bytes, after: bytes, line: int) -> None:
    assert joined_line(before, after) == line
