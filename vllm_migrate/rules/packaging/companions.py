"""What vLLM's releases require of the packages that are often pinned beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

COMPANIONS = frozenset({"torch", "transformers", "xformers", "ray", "flash-attn", "outlines", "xgrammar"})

# Requires-Dist of the wheels for Linux on x86-64, extras and vLLM's options left out, of the releases whose
# metadata was read. What a release doesn't list, it doesn't require: FlashAttention is compiled into vLLM's
# own wheel, outlines is outlines_core, and Ray and xformers are required no more.
_REQUIRED: Mapping[str, Mapping[str, str]] = {
    "0.10.2": {
        "torch": "==2.8.0", "transformers": ">=4.55.2", "ray": ">=2.48.0", "xformers": "==0.0.32.post1",
        "xgrammar": "==0.1.23",
    },
    "0.12.0": {
        "torch": "==2.9.0", "transformers": ">=4.56.0,<5", "ray": ">=2.48.0", "xgrammar": "==0.1.27"
    },
    "0.18.1": {"torch": "==2.10.0", "transformers": ">=4.56.0,<5", "xgrammar": ">=0.1.32,<1.0.0"},
    "0.24.0": {"torch": "==2.11.0", "transformers": ">=5.5.3", "xgrammar": ">=0.2.1,<1.0.0"},
    "0.28.0": {"torch": "==2.13.0", "transformers": ">=5.5.3", "xgrammar": ">=0.2.1,<1.0.0"},
    "0.32.0": {"torch": "==2.13.0", "transformers": ">=5.16.1,<5.20.0", "xgrammar": "==0.2.8"},
    "0.33.0": {"torch": "==2.14.0", "transformers": ">=5.16.1,<5.21.0", "xgrammar": "==0.2.8"},
}  # fmt: skip

# Compiled for one release of torch: another torch needs another build of it.
COMPILED_FOR_TORCH = frozenset({"flash-attn", "xformers"})


def required_by(release: Version) -> Mapping[str, str] | None:
    """What a release of vLLM requires, by package; None where that isn't known."""
    return _REQUIRED.get(str(release))
