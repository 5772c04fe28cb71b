"""Whether there is an NVIDIA GPU to run engines on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")
VISIBLE = "CUDA_VISIBLE_DEVICES"


def has_nvidia_gpu() -> bool:
    """True where the NVIDIA driver reports at least one GPU."""
    return _of_driver() > 0


def gpu_count() -> int:
    """How many NVIDIA GPUs an engine started here would see; CUDA_VISIBLE_DEVICES chooses among them."""
    there = _of_driver()
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return there
    listed = [entry.strip() for entry in visible.split(",")]
    # CUDA stops reading at the first entry that names no GPU, such as -1.
    named = next((place for place, entry in enumerate(listed) if not entry or entry == "-1"), len(listed))
    return min(there, named)


def _of_driver() -> int:
    """GPUs that the driver reports."""
    if DRIVER.is_dir() and (found := sum(1 for _ in DRIVER.iterdir())):
        return found
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        done = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return done.stdout.count("GPU ") if done.returncode == 0 else 0


def default_device() -> str:
    """Return "cuda" where there is an NVIDIA GPU, else "cpu"."""
    return "cuda" if has_nvidia_gpu() else "cpu"
