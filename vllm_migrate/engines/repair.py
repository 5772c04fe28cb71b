"""Mends for wheels that don't load as they are.

**glibcxx.** Some CPU wheels need the symbol version GLIBCXX_3.4.32, which Debian 12's and Ubuntu 22.04's
libstdc++ lacks. They use it for one symbol, `_ZSt21ios_base_library_initv`: a link marker that nothing calls.
Making that one symbol weak and unversioned, and the version requirement weak (VER_FLG_WEAK), lets the loader
pass over it. Field layouts: System V ABI, "Symbol Table"; Linux Standard Base Core, "Symbol Versioning".

**preload.** Some releases refuse to start unless LD_PRELOAD contains the words "libtcmalloc" and "libiomp".
The second comes with the wheel; the first isn't on PyPI and only its name is looked at, so a link to the C
math library, which is loaded anyway, stands in.

uv hard-links files into environments: an edit in place would change its cache and with it every later
environment. Everything here writes a new file and moves it over the old name.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vllm_migrate.errors import ProvisionError

VERSION = "GLIBCXX_3.4.32"
SYMBOL = "_ZSt21ios_base_library_initv"

_INSISTS = re.compile(r'raise RuntimeError\(\s*f?"[^"]*not found in LD_PRELOAD')
"""How such a release's worker looks; newer ones only warn."""

_SHT_DYNSYM, _SHT_VERSYM, _SHT_VERNEED = 11, 0x6FFFFFFF, 0x6FFFFFFE
_VER_FLG_WEAK = 2
_STB_GLOBAL, _STB_WEAK = 1, 2
_GLOBAL_VERSION = 1  # VER_NDX_GLOBAL: bound to no version
_HIDDEN = 0x8000


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


def system_has_glibcxx() -> bool:
    """Whether the system's libstdc++ defines GLIBCXX_3.4.32."""
    name = ctypes.util.find_library("stdc++") or "libstdc++.so.6"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return False
    return hasattr(library, SYMBOL)


def weaken(path: Path) -> bool:
    """Make the GLIBCXX_3.4.32 requirement of one shared object weak.

    Args:
        path: a 64-bit little-endian ELF file. Replaced by a new file (new inode) where it needs the mend.

    Returns:
        True where it was mended, False where it doesn't need that version or was mended before.

    Raises:
        ProvisionError: where a symbol other than the known link marker needs the version, or the file is no
            such ELF.
    """
    data = bytearray(path.read_bytes())
    try:
        changed = _weaken(data)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise ProvisionError(f"{path.name} can't be mended: {error}", hint=_INSTEAD) from error
    if changed:
        _replace(path, bytes(data))
    return changed


_INSTEAD = (
    "use a system whose libstdc++ has GLIBCXX_3.4.32 (GCC 13.2 or newer), such as Debian 13 or Ubuntu 24.04"
)


def _weaken(data: bytearray) -> bool:
    sections = _sections(data)
    need = next((s for s in sections if s.kind == _SHT_VERNEED), None)
    versions = next((s for s in sections if s.kind == _SHT_VERSYM), None)
    symbols = next((s for s in sections if s.kind == _SHT_DYNSYM), None)
    if need is None or versions is None or symbols is None:
        return False
    strings = sections[need.link].offset
    entries = [
        entry for entry in _version_requirements(data, need) if _string(data, strings + entry[1]) == VERSION
    ]
    if not entries:
        return False
    changed = False
    names = sections[symbols.link].offset
    for at, _, index in entries:
        for number in range(versions.size // 2):
            slot = versions.offset + 2 * number
            if struct.unpack_from("<H", data, slot)[0] & ~_HIDDEN != index:
                continue
            symbol = symbols.offset + 24 * number
            name_at, info, _, section = struct.unpack_from("<IBBH", data, symbol)
            name = _string(data, names + name_at)
            if name != SYMBOL or section != 0:
                raise ValueError(f"{name} needs {VERSION} and is not the known link marker")
            struct.pack_into("<B", data, symbol + 4, (_STB_WEAK << 4) | (info & 0xF))
            struct.pack_into("<H", data, slot, _GLOBAL_VERSION)
            changed = True
        flags = struct.unpack_from("<H", data, at + 4)[0]
        if not flags & _VER_FLG_WEAK:
            struct.pack_into("<H", data, at + 4, flags | _VER_FLG_WEAK)
            changed = True
    return changed


def _sections(data: bytearray) -> list[_Section]:
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("it is no 64-bit little-endian ELF file")
    table = struct.unpack_from("<Q", data, 0x28)[0]
    size, count = struct.unpack_from("<HH", data, 0x3A)
    found = []
    for number in range(count):
        _, kind, _, _, offset, length, link = struct.unpack_from("<IIQQQQI", data, table + number * size)
        found.append(_Section(kind, offset, length, link))
    return found


def _version_requirements(data: bytearray, need: _Section) -> list[tuple[int, int, int]]:
    """Every Vernaux record: its position, the offset of its name, and the index symbols refer to it by."""
    found = []
    file_at = need.offset
    while True:
        _, count, _, first, next_file = struct.unpack_from("<HHIII", data, file_at)
        at = file_at + first
        for _ in range(count):
            _, _, index, name, step = struct.unpack_from("<IHHII", data, at)
            found.append((at, name, index))
            at += step
        if next_file == 0:
            return found
        file_at += next_file


def _string(data: bytearray, at: int) -> str:
    return bytes(data[at : data.index(0, at)]).decode("ascii", errors="replace")


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def mend_glibcxx(site_packages: Path) -> list[str]:
    """Weaken the requirement in vLLM's own shared objects where the system needs it.

    Returns:
        Names of the mended files.
    """
    if system_has_glibcxx():
        return []
    return [path.name for path in sorted((site_packages / "vllm").glob("*.so")) if weaken(path)]


def provide_preload(prefix: Path, site_packages: Path, folder: Path) -> tuple[str, ...]:
    """The shared objects LD_PRELOAD must name for this release; none where it doesn't insist.

    Args:
        prefix: the environment; it brings Intel's OpenMP.
        site_packages: its packages.
        folder: where the stand-in for tcmalloc is put.

    Raises:
        ProvisionError: where the release insists and the pieces aren't there.
    """
    worker = site_packages / "vllm" / "v1" / "worker" / "cpu_worker.py"
    if not worker.is_file() or not _INSISTS.search(worker.read_text(encoding="utf-8")):
        return ()
    openmp = prefix / "lib" / "libiomp5.so"
    mathematics = _loaded_library("libm.so.6")
    if not openmp.is_file() or mathematics is None:
        raise ProvisionError(
            f"this vLLM release needs {openmp.name} and the C math library, and one is missing"
        )
    if any(mark in f"{prefix}{folder}" for mark in " :"):
        raise ProvisionError(
            f"this vLLM release needs LD_PRELOAD, which can't name {prefix} or {folder}",
            hint="set VLLM_MIGRATE_CACHE to a directory without spaces or colons",
        )
    stub = folder / "libtcmalloc_stub.so"
    if not stub.is_symlink():
        stub.symlink_to(mathematics)
    return (str(openmp), str(stub))


def _loaded_library(name: str) -> Path | None:
    """Where the loader found a library that this process has mapped."""
    try:
        ctypes.CDLL(name)
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return None
    for line in maps.splitlines():
        path = line.split(maxsplit=5)[-1]
        if path.startswith("/") and Path(path).name == name:
            return Path(path)
    return None
