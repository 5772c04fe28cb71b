"""Cuts this process, and all that it starts, off the network: the machine's own addresses, too."""

from __future__ import annotations

import os

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of unshare(2)


def cut_network() -> None:
    """Go into a network of its own, in which there is nothing; in a user namespace where that takes rights.

    Raises:
        OSError: this machine doesn't allow it.
    """
    user, group = os.getuid(), os.getgid()
    try:
        _unshare(_NEW_NET)
    except OSError:
        _unshare(_NEW_USER | _NEW_NET)
        # The same user and group inside as outside.
        for file, said in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{file}", "w") as stream:  # noqa: PTH123 - pathlib costs as much as all else here
                stream.write(said)


def _unshare(flags: int) -> None:
    if hasattr(os, "unshare"):  # from 3.12 on
        os.unshare(flags)
        return
    try:
        import ctypes  # noqa: PLC0415 - a Python may lack it, and it takes long

        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(flags):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    except (ImportError, AttributeError) as error:
        raise OSError(0, f"no unshare(2): {error}") from None
