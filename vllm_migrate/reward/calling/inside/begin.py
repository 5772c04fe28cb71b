"""Starts a reward's process, and the one that watches over it.

    python -I begin.py JOB,ANSWER,STATUS,CONTROL,BOARD MOST SCRATCH

The first five are descriptors: jobs come from JOB, answers leave on ANSWER, on BOARD (shared memory) stands
which call is being made. This process forks the one that runs the user's code (`serve`), and watches over it
(`watch`). What is imported here costs each start: nothing that is not needed.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

_NAME = "_vllm_migrate_reward"


def main() -> None:
    """Fork the worker, watch over it, clean up."""
    # Under a name that no module of a user's has, and with nothing of ours on the path.
    package = ModuleType(_NAME)
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120 - see above
    sys.modules[_NAME] = package
    job, answer, status, control, board = (int(number) for number in sys.argv[1].split(","))
    most, scratch = int(sys.argv[2]), sys.argv[3]
    ready, watched = os.pipe()
    worker = os.fork()
    if worker == 0:
        for descriptor in (status, control, watched):
            os.close(descriptor)
        from _vllm_migrate_reward import serve  # type: ignore[import-not-found]  # noqa: PLC0415 - made above

        sys.dont_write_bytecode = True  # beside the user's files
        os.read(ready, 1)  # nothing of the user's runs before it is watched
        os.close(ready)
        serve.main(job, answer, board)
        return
    for descriptor in (job, answer, board, ready):
        os.close(descriptor)
    from _vllm_migrate_reward import watch  # noqa: PLC0415 - made above

    watch.adopt_orphans()
    os.write(watched, b"1")
    os.close(watched)
    os.write(status, watch.until_ended(worker, control, most, scratch))
    os._exit(0)  # whoever waits for the end need not wait for an interpreter to tidy up


if __name__ == "__main__":
    main()
