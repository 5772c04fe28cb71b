"""Draw a terminal picture of a command's real output: `python docs/pictures/make.py out.svg TITLE < output`.

Feed it what a command printed with `FORCE_COLOR=1`, for example

    FORCE_COLOR=1 vllm-migrate check fixtures/grpo_v0 | python docs/pictures/make.py check.svg check
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 80


def main() -> None:
    """Read what a terminal would have shown, write the picture."""
    target, title = Path(sys.argv[1]), sys.argv[2]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in sys.stdin.read().splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False)
    picture = console.export_svg(title=title, unique_id=target.stem)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # fetched from elsewhere
    target.write_text(re.sub(r"<!--.*?-->\s*", "", picture), encoding="utf-8")


if __name__ == "__main__":
    main()
