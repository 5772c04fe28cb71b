"""Which of a project's files import another: by place, by name, and not by a name that looks like it."""

from pathlib import PurePosixPath

import pytest

from vllm_migrate.rules.importers import imports, module_of, named_in


@pytest.mark.parametrize(
    ("statement", "own", "wanted"),
    [
        ("import trainer", "train.py", "trainer.py"),
        ("from trainer import Trainer", "scripts/train.py", "scripts/trainer.py"),
        ("import rl.trainer as t", "train.py", "src/rl/trainer.py"),
        ("from rl import trainer", "train.py", "rl/trainer.py"),
        ("from rl import (\n    actor,\n    trainer as t,\n)", "train.py", "rl/trainer.py"),
        ("from .trainer import Trainer", "rl/train.py", "rl/trainer.py"),
        ("from . import trainer", "rl/train.py", "rl/trainer.py"),
        ("from ..core.trainer import Trainer", "rl/ppo/train.py", "rl/core/trainer.py"),
        ("from rl import Trainer", "train.py", "rl/__init__.py"),
        ("def main():\n    import rl.trainer", "train.py", "rl/trainer.py"),
    ],
)
def test_these_import_it(statement, own, wanted):
    path = PurePosixPath(own)
    assert imports(named_in(statement.encode(), path), path, module_of(PurePosixPath(wanted)))


@pytest.mark.parametrize(
    ("statement", "own", "wanted"),
    [
        ("import trainer", "train.py", "rl/trainer.py"),
        ("import trainers", "train.py", "trainer.py"),
        ("from .trainer import Trainer", "rl/train.py", "trainer.py"),
        ("from .trainer import Trainer", "rl/train.py", "ppo/trainer.py"),
        ("from ppo.trainer import Trainer", "train.py", "rl/trainer.py"),
        ("# the trainer is not imported", "train.py", "trainer.py"),
    ],
)
def test_these_do_not(statement, own, wanted):
    path = PurePosixPath(own)
    assert not imports(named_in(statement.encode(), path), path, module_of(PurePosixPath(wanted)))


def test_a_package_is_named_without_its_init():
    assert module_of(PurePosixPath("rl/core/__init__.py")) == ("rl", "core")
    assert module_of(PurePosixPath("rl/core/a.py")) == ("rl", "core", "a")
