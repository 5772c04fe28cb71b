"""Whether there is an NVIDIA GPU to run engines on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")


def has_nvidia_gpu() -> bool:
    """True where the NVIDIA driver reports at least one GPU."""
    if DRIVER.is_dir() and any(DRIVER.iterdir()):
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        done = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "GPU" in done.stdout


def default_device() -> str:
    """Return "cuda" where there is an NVIDIA GPU, else "cpu"."""
    return "cuda" if has_nvidia_gpu() else "cpu"
