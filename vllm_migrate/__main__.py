"""Entry point of `vllm-migrate` and `python -m vllm_migrate`."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code.

    Cyclic garbage isn't collected, not even while modules are loaded: a check lives for a second, and
    collecting takes a fifth of it. What parses many files collects by itself (`files.python`), and commands
    that run for long switch the collector on again (`cli.app`). Nor is it collected at the end, which the
    interpreter would do whatever the switch says: an eighth of a check.
    """
    gc.disable()
    from vllm_migrate.cli.app import main as run  # noqa: PLC0415 - see above

    try:
        run()
    finally:
        if not gc.isenabled():
            gc.freeze()


if __name__ == "__main__":
    main()
