"""Settings in YAML that code hands to vLLM: found by where they are loaded, not by what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "generator:\n  model: m\n  swap_space: 4\n  seed: 1\nother:\n  swap_space: 1\n"
AFTER = "generator:\n  model: m\n  seed: 1\nother:\n  swap_space: 1\n"
IMPORTS = """\
import os, argparse
from pathlib import Path
import hydra, yaml
from omegaconf import OmegaConf
from vllm import LLM
"""

WAYS = {
    "loaded": """\
def f():
    cfg = OmegaConf.load('conf/engine.yaml')
    return LLM(**cfg.generator)
""",
    "key": """\
def f():
    return LLM(**OmegaConf.load('./conf/engine.yaml')['generator'])
""",
    "handle": """\
def f():
    with open('conf/engine.yaml') as h:
        cfg = yaml.safe_load(h)
    return LLM(**cfg['generator'])
""",
    "opened": """\
cfg = yaml.load(open('conf/engine.yaml'), Loader=yaml.SafeLoader)
def f():
    return LLM(**cfg.get('generator'))
""",
    "joined": """\
HERE = os.path.dirname(__file__)
def f():
    cfg = OmegaConf.load(os.path.join(HERE, 'conf', 'engine.yaml'))
    return LLM(**cfg.generator)
""",
    "path": """\
def f():
    cfg = yaml.safe_load((Path(__file__).parent / 'conf' / 'engine.yaml').read_text())
    return LLM(**cfg['generator'])
""",
    "hydra": """\
@hydra.main(config_path='conf', config_name='engine', version_base=None)
def main(cfg):
    return LLM(**cfg.generator)
""",
    "passed": """\
def build(settings):
    return LLM(**settings)

@hydra.main(config_path='conf', config_name='engine')
def main(cfg):
    build(cfg.generator)
""",
    "held": """\
class Actor:
    def __init__(self, config):
        self.config = config
    def build(self):
        return LLM(**self.config.generator)

def main():
    Actor(OmegaConf.load('conf/engine.yaml')).build()
""",
    "copied": """\
def f():
    cfg = OmegaConf.load('conf/engine.yaml')
    kwargs = OmegaConf.to_container(cfg.generator, resolve=True)
    return LLM(**kwargs)
""",
    "option": """\
p = argparse.ArgumentParser()
p.add_argument('--config', default='conf/engine.yaml')
args = p.parse_args()
def f():
    return LLM(**OmegaConf.load(args.config).generator)
""",
    "returned": """\
def load():
    return OmegaConf.load('conf/engine.yaml')

def f():
    return LLM(**load().generator)
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_keys_that_reach_an_engine(run, project: Path, way: str) -> None:
    (project / "conf").mkdir()
    (project / "conf" / "engine.yaml").write_text(SETTINGS)
    (project / "build.py").write_text(IMPORTS + WAYS[way])
    done = run("check", ".", "--select", "VM201")
    assert done.code == 1
    assert "engine.yaml:3:3  VM201" in done.out
    assert "engine.yaml:6" not in done.out
    run("rewrite", ".", "--allow-dirty")
    assert (project / "conf" / "engine.yaml").read_text() == SETTINGS  # other code may read the key
    run("rewrite", ".", "--allow-dirty", "--unsafe-fixes")
    assert (project / "conf" / "engine.yaml").read_text() == AFTER
    assert run("rewrite", ".", "--allow-dirty", "--unsafe-fixes", "--select", "VM2").code == 0


def test_a_group_of_hydra_s(run, project: Path) -> None:
    (project / "conf" / "generator").mkdir(parents=True)
    (project / "conf" / "engine.yaml").write_text("defaults:\n  - generator: fast\n")
    (project / "conf" / "generator" / "fast.yaml").write_text("swap_space: 4\n")
    (project / "build.py").write_text(IMPORTS + WAYS["hydra"])
    assert "fast.yaml:1:1  VM201" in run("check", ".").out


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    c = OmegaConf.load('conf/engine.yaml')\n    return LLM('m', seed=c.generator.seed)\n",
        "def f():\n    cfg = OmegaConf.load('conf/engine.yaml')\n    return Other(**cfg.generator)\n",
        "def f():\n    cfg = OmegaConf.load('conf/more.yaml')\n    return LLM(**cfg.generator)\n",
        "def f(cfg):\n    return LLM(**cfg.generator)\n",
    ],
)
def test_other_settings_are_left_alone(run, project: Path, code: str) -> None:
    (project / "conf").mkdir()
    (project / "conf" / "engine.yaml").write_text(SETTINGS)
    (project / "build.py").write_text(IMPORTS + code)
    assert "engine.yaml" not in run("check", ".", "--select", "VM2").out
