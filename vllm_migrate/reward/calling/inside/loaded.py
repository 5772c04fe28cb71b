"""The callable that a user named, from a file or a module."""

from __future__ import annotations

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Refused(Exception):  # noqa: N818 - a refusal with a message, told to the parent
    """The reward can't be asked at all. Its message continues "reward function NAME ..."."""


def load(file: str, module: str, attribute: str, directory: str) -> Any:
    """The callable called `attribute`, which may be dotted, in a file or an importable module.

    A class whose instances can be called is made one of, if it takes no arguments.

    Args:
        file: path of the file, "" where a module is named.
        module: dotted name.
        attribute: in it.
        directory: modules are looked for there first.

    Raises:
        Refused: there is none, or importing it fails.
    """
    try:
        found: Any = _from_file(file) if file else _from_module(module, directory)
    except Refused:
        raise
    except MemoryError:
        raise Refused("can't be imported in the memory it is allowed") from None
    except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
        raise Refused(f"can't be imported: {described(error)}") from None
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise Refused("is not defined in that file" if file else "is not defined in that module")
    if isinstance(found, type):
        found = _instance(found)
    if not callable(found):
        raise Refused("is not a function")
    return found


def _from_file(file: str) -> Any:
    if file in _LOADED:
        return _LOADED[file]
    name = "reward_under_audit" if not _LOADED else f"reward_under_audit_{len(_LOADED)}"
    if not file.endswith(".py"):
        raise Refused("is not in a Python file")
    beside = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120 - pathlib costs as much as all else here
    if beside not in sys.path:
        sys.path.append(beside)
    loader = _SourceFileLoader(name, file)
    module = ModuleType(name)
    module.__file__ = file
    module.__loader__ = loader
    module.__spec__ = _ModuleSpec(name, loader, origin=file)
    sys.modules[name] = module
    loader.exec_module(module)
    _LOADED[file] = module
    return module


_LOADED: dict[str, Any] = {}
# This module has one of each, too; importing `importlib.machinery` for them takes longer than both do.
_ModuleSpec: Any = type(__spec__)
_SourceFileLoader: Any = type(__spec__.loader)


def _from_module(name: str, directory: str) -> Any:
    if directory not in sys.path:
        sys.path.insert(0, directory)
    __import__(name)
    return sys.modules[name]


def _instance(kind: type) -> Any:
    """One of a class that defines `__call__`; any other class is called itself."""
    if not any("__call__" in vars(base) for base in kind.__mro__ if base is not object):
        return kind
    try:
        return kind()
    except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
        raise Refused(
            f"is a class that can't be made without arguments: {described(error)}; name an instance"
        ) from None


def described(error: BaseException) -> str:
    """An exception in one line."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - its __str__ is the user's too
        lines = []
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
