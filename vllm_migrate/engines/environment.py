"""An installed engine, and the clean set of variables its process gets."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm_migrate.errors import ProvisionError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "vllm-migrate-engine/1"
MANIFEST = "manifest.json"

_KEPT = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "TZ",
        "TMPDIR",
        "TERM",
        "LD_LIBRARY_PATH",
        "HF_HOME",
        "HF_HUB_CACHE",
        "VLLM_CACHE_ROOT",
        "CUDA_HOME",
        "CUDA_PATH",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "TRITON_CACHE_DIR",
    }
)
_KEPT_PREFIXES = ("LC_", "XDG_", "NVIDIA_", "OMP_", "MKL_", "KMP_", "OPENBLAS_")


@dataclass(frozen=True, slots=True)
class EngineEnvironment:
    """One installed (or registered) engine.

    Attributes:
        name: what the user calls it: "v0", "v1@0.18.1", or the name it was registered under.
        generation: "v0" or "v1".
        version: vLLM's version without post-release suffix; `package` the requirement that was installed.
        device: "cpu" or "cuda".
        python: interpreter to start it with.
        root: its directory in the cache.
        environment: variables it needs.
        preload: shared objects for LD_PRELOAD, absolute.
        harness: `LLM` arguments that make it start quickly.
        external: the environment is the user's own; removing the engine leaves it alone.
    """

    name: str
    generation: str
    version: str
    package: str
    device: str
    python: Path
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    harness: dict[str, Any] = field(default_factory=dict)
    external: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of its process: what it needs, locale, paths and devices, and nothing else.

        Credentials (HF_TOKEN, WANDB_API_KEY, AWS_*), PYTHONPATH and the user's own VLLM_* stay out: the first
        are none of the engine's business, the others would change what is measured without a trace.

        Args:
            extra: variables of the caller's choice; they win.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or name.startswith(_KEPT_PREFIXES)
        }
        kept.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
        kept.update(
            HF_HUB_OFFLINE="1",
            TRANSFORMERS_OFFLINE="1",
            HF_HUB_DISABLE_TELEMETRY="1",
            VLLM_NO_USAGE_STATS="1",
            DO_NOT_TRACK="1",
            TOKENIZERS_PARALLELISM="false",
            PYTHONNOUSERSITE="1",
            PYTHONUNBUFFERED="1",
            PYTHONDONTWRITEBYTECODE="1" if self.external else "",
        )
        kept.update(self.environment)
        if self.preload:
            kept["LD_PRELOAD"] = ":".join(self.preload)
        kept.update(extra or {})
        return {name: value for name, value in kept.items() if value}


def write_manifest(directory: Path, engine: EngineEnvironment) -> None:
    """Describe an engine in its own directory; paths inside it are kept relative, so that it can move."""
    document = {"schema": SCHEMA, **asdict(engine)}
    document.pop("root")
    document["python"] = _relative(engine.python, engine.root)
    document["preload"] = [_relative(Path(path), engine.root) for path in engine.preload]
    path = directory / MANIFEST
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_manifest(directory: Path) -> EngineEnvironment:
    """Read an engine back.

    Raises:
        ProvisionError: where the manifest is missing, damaged or of another schema.
    """
    path = directory / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("schema") != SCHEMA:
            raise ProvisionError(
                f"{path} was written by another version of this tool", hint="install it again"
            )
        return EngineEnvironment(
            **{
                **document,
                "root": directory,
                "python": directory / document["python"],
                "preload": tuple(str(directory / entry) for entry in document["preload"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProvisionError(
            f"{path} can't be read: {error}", hint="remove the engine and install it again"
        ) from error


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
