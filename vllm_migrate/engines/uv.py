"""Calls to uv: what would be installed and how big it is, and installing it."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv import find_uv_bin

from vllm_migrate.errors import ProvisionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Progress = Callable[[str], None]

RESOLVE_SECONDS = 300
INSTALL_SECONDS = 3600

TORCH_INDEX_SECONDS = 20
"""How long to try for torch's own index of CPU builds before falling back on PyPI's builds."""

_UNREACHABLE = (
    "dns error",
    "error sending request",
    "Connection refused",
    "operation timed out",
    "Network is unreachable",
    "network was disabled",
    "client error (Connect)",
)
_CPU_PIN = re.compile(r"torch(?:\{[^}]*\})?==([0-9][0-9.]*)\+cpu")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages come from.

    Attributes:
        find_links: folders or pages of wheels, pip's own setting among them.
        wheelhouse: a folder that is the only source; nothing is fetched.
        torch_backend: "cpu" for torch's own index of CPU builds, "" for the default index.
    """

    find_links: tuple[str, ...] = ()
    wheelhouse: Path | None = None
    torch_backend: str = ""

    def options(self) -> list[str]:
        """As uv's command-line options."""
        found: list[str] = []
        for link in self.find_links:
            found += ["--find-links", link]
        if self.wheelhouse is not None:
            found += ["--no-index", "--offline", "--find-links", str(self.wheelhouse)]
        if self.torch_backend:
            found += ["--torch-backend", self.torch_backend]
        return found


@dataclass(frozen=True, slots=True)
class Package:
    """One resolved distribution.

    Attributes:
        bytes: to download; 0 where it is a local file or the index doesn't say.
        uploaded: day it appeared on the index; None where the index doesn't say.
    """

    name: str
    version: str
    bytes: int
    uploaded: date | None = None


def pip_find_links() -> tuple[str, ...]:
    """The wheel folders pip is configured with: PIP_FIND_LINKS, else pip's configuration files."""
    direct = os.environ.get("PIP_FIND_LINKS")
    if direct is not None:
        return tuple(direct.split())
    links: list[str] = []
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself reports a broken file; it is none of ours
        for section in ("global", "install"):
            value = parser.get(section, "find-links", fallback="")
            links += [link for link in value.split() if link not in links]
    return tuple(links)


def _pip_files() -> list[Path]:
    """Pip's configuration files that exist, in its order (pip's user guide, "Configuration Files")."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    candidates = [
        Path(d) / "pip" / "pip.conf" for d in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    ]
    candidates += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    candidates.append(Path(sys.prefix) / "pip.conf")
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    if named:
        candidates.append(Path(named))
    return [path for path in candidates if path.is_file()]


def torch_index_reachable() -> bool:
    """Whether uv can read torch's own index of CPU builds; decided in seconds."""
    with tempfile.TemporaryDirectory(prefix="vllm-migrate-") as folder:
        requirements = Path(folder) / "requirements.in"
        requirements.write_text("torch\n", encoding="utf-8")
        command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-deps", "--torch-backend", "cpu"]
        try:
            done = subprocess.run(
                [*command, str(requirements)],
                env={**os.environ, "UV_HTTP_TIMEOUT": "8", "UV_HTTP_RETRIES": "0"},
                capture_output=True,
                timeout=TORCH_INDEX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def cpu_torch_pin(requirement: str, overrides: Sequence[str], python: str, sources: Sources) -> str:
    """The torch version a CPU wheel is built for, learnt from the resolver's own words.

    The wheel asks for `torch==X+cpu`, which the default index doesn't have, so the resolution fails and names
    it.

    Returns:
        "X"; or "" where the resolution succeeds as it is.

    Raises:
        ProvisionError: where it fails for another reason.
    """
    try:
        resolve([requirement], overrides, (), python, sources)
    except ProvisionError as error:
        match = _CPU_PIN.search(error.hint)
        if match is None:
            raise
        return match[1]
    return ""


def resolve(
    requirements: Sequence[str],
    overrides: Sequence[str],
    constraints: Sequence[str],
    python: str,
    sources: Sources,
    *,
    platform: str = "",
    until: date | None = None,
) -> list[Package]:
    """What installing would bring, without installing it.

    Args:
        requirements: what is asked for.
        overrides: requirements that replace those packages ask for.
        constraints: versions to prefer where a package is needed at all.
        python: interpreter version, "3.11".
        sources: where packages come from.
        platform: target platform in uv's words; "" for this machine.
        until: leave out what was uploaded after this day; the index must say when that was.

    Raises:
        ProvisionError: where there is no solution or no network; `hint` then holds uv's own words.
    """
    with tempfile.TemporaryDirectory(prefix="vllm-migrate-") as folder:
        base = Path(folder)
        files = {"requirements.in": requirements, "overrides.txt": overrides, "constraints.txt": constraints}
        for name, lines in files.items():
            (base / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        lock = base / "pylock.toml"
        command = [find_uv_bin(), "pip", "compile", "--quiet", "--python-version", python]
        command += ["--override", str(base / "overrides.txt"), "--constraint", str(base / "constraints.txt")]
        command += ["--format", "pylock.toml", "--output-file", str(lock), *sources.options()]
        if until is not None:
            command += ["--exclude-newer", until.isoformat()]
        if platform:
            command += ["--python-platform", platform]
        run_uv([*command, str(base / "requirements.in")], seconds=RESOLVE_SECONDS)
        document = tomllib.loads(lock.read_text(encoding="utf-8"))
    return [
        Package(entry["name"], str(entry.get("version", "")), *_size_and_day(entry))
        for entry in document.get("packages", [])
    ]


def _size_and_day(entry: dict[str, Any]) -> tuple[int, date | None]:
    """Of the file uv would take: the first wheel listed, else the sdist. Local files have neither."""
    files = entry.get("wheels") or ([entry["sdist"]] if "sdist" in entry else [])
    if not files or "url" not in files[0]:
        return 0, None
    uploaded = files[0].get("upload-time")
    return int(files[0].get("size", 0)), uploaded.date() if isinstance(uploaded, datetime) else None


def run_uv(command: Sequence[str], *, seconds: float, progress: Progress | None = None) -> str:
    """Run uv to its end, handing its progress lines on.

    Returns:
        What it wrote to stderr.

    Raises:
        ProvisionError: where it fails, with uv's explanation as the hint.
    """
    lines: list[str] = []
    process = subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    limit = threading.Timer(seconds, process.kill)
    limit.daemon = True
    limit.start()
    try:
        for line in process.stderr or ():
            lines.append(line.rstrip())
            if progress is not None and line.strip():
                progress(line.strip())
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        limit.cancel()
        if process.stderr is not None:
            process.stderr.close()
    if status == -signal.SIGKILL:
        raise ProvisionError(f"uv was ended: it took more than {seconds:.0f} seconds, or memory ran out")
    if status != 0:
        raise explain(lines)
    return "\n".join(lines)


def explain(lines: Sequence[str]) -> ProvisionError:
    """One clear line out of uv's error output."""
    text = " ".join(line.strip() for line in lines if line.strip())
    if any(mark in text for mark in _UNREACHABLE):
        return ProvisionError(
            "the package index can't be reached",
            hint="check the network or proxy, or install from a folder of wheels with --wheelhouse DIR",
        )
    errors = [index for index, line in enumerate(lines) if line.strip().startswith("error:")]
    told = [line.strip() for line in lines[errors[0] if errors else 0 :] if line.strip()] or [
        "no reason given"
    ]
    first = told[0].removeprefix("error:").strip().rstrip(".:")
    return ProvisionError(
        f"uv could not do it: {first}",
        hint=" ".join(line.removeprefix("cause:").strip() for line in told[1:]),
    )
