"""The one function that is sent to the processes of a parallel engine.

It travels by value, because nothing of ours can be imported there, and loads this package under its private
name as `__main__` does. Standard library only, and nothing of this module but the function itself.
"""

from __future__ import annotations

from typing import Any


def enter(worker: Any, package: str, folder: str, name: str, args: tuple[Any, ...]) -> tuple[Any, str, str]:
    """Call `in_rank.<name>(worker, *args)` in the process of one rank.

    Args:
        worker: vLLM's worker of that rank.
        package: the private name of this package.
        folder: where it is.
        name: the function.
        args: what to call it with.

    Returns:
        The result, and kind and message of a `WorkerError`, both empty where there was none: the executor
        would make text of an exception.
    """
    import importlib
    import importlib.util
    import sys
    from pathlib import Path

    if package not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            package, Path(folder) / "__init__.py", submodule_search_locations=[folder]
        )
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type] # the file is there
        sys.modules[package] = module
        spec.loader.exec_module(module)  # type: ignore[union-attr] # as above
    backend = importlib.import_module(package + ".backend")
    try:
        return getattr(importlib.import_module(package + ".in_rank"), name)(worker, *args), "", ""
    except backend.WorkerError as error:
        return None, error.kind, error.message
