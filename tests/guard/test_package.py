from __future__ import annotations

import subprocess
import sys


def test_the_package_loads_no_arrays_no_trainer_and_no_command_line():
    code = (
        "import sys, vllm_migrate.guard;"
        "assert not {'numpy', 'torch', 'trl', 'transformers', 'libcst', 'typer', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_attach_is_the_function_whichever_is_imported_first():
    code = (
        "import vllm_migrate.guard.attach as module; from vllm_migrate.guard import attach;"
        "assert callable(attach), attach"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
