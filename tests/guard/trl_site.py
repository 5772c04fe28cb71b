"""A folder of packages that turns an engine's interpreter into one that trains with TRL."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from uv import find_uv_bin

from vllm_migrate.engines import registry
from vllm_migrate.engines.paths import cache_root
from vllm_migrate.engines.uv import Sources, pip_find_links, run_uv

HERE = Path(__file__).resolve().parent
TRL = "1.16.0"
# What TRL needs beyond what an engine has. torch and transformers are the engine's own.
PACKAGES = (
    f"trl=={TRL}",
    "accelerate==1.15.0",
    "datasets==5.2.0",
    "pyarrow==26.0.1",
    "pandas==3.1.1",
    "multiprocess==0.70.19",
    "xxhash==4.1.0",
    "python-dateutil==4.0.0",
    "pytz==2026.6",
)
INSTALL_SECONDS = 300


def site(engine):
    """Made once and kept in the tool's cache.

    It is called site-packages because dill, with which `datasets` makes its fingerprints, takes the modules
    of any other folder for the user's own and pickles them whole.
    """
    known = hashlib.sha256(json.dumps([PACKAGES, str(engine.python)]).encode()).hexdigest()[:12]
    folder = cache_root() / "test-packages" / f"trl-{TRL}-{known}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
        command = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", str(engine.python)]
        command += ["--target", str(unfinished / "site-packages"), *Sources(pip_find_links()).options()]
        try:
            run_uv([*command, *PACKAGES], seconds=INSTALL_SECONDS)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder / "site-packages"


def variables(engine, **extra):
    """The environment of a process that trains: the engine's, TRL, this package and these helpers."""
    paths = (site(engine), HERE.parents[1], HERE)
    return engine.variables(
        {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "TRL_EXPERIMENTAL_SILENCE": "1",
            **extra,
        }
    )


def run(script, folder, *arguments, launcher=(), seconds=600, **extra):
    """Run a script of this folder with TRL, and return the JSON it left."""
    engine = registry.require("v1")
    target = folder / f"{Path(script).stem}.json"
    command = [engine.python, *launcher, HERE / script, target, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables(engine, **extra),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(target.read_text())
