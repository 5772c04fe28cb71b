"""What to do about a reward that lacks something."""

from __future__ import annotations


def hint_for(fault: str) -> str:
    """What helps against a fault, "" where nothing is known."""
    if "ModuleNotFoundError" in fault or "ImportError" in fault:
        return (
            "install what it imports beside vllm-migrate, or name the interpreter that has it: "
            "vllm-migrate reward --python PATH"
        )
    if "cut off the network" in fault:
        return "leave --no-network out, or run it where a process may have a network of its own (unshare)"
    if "FileNotFoundError" in fault:
        return "it runs in a directory of its own: give paths from its own file, as in Path(__file__).parent"
    return ""
