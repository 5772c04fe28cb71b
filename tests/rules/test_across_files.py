"""What a project's files say only together: engines handed over, fields nobody reads, settings elsewhere."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Safety
from vllm_migrate.rules.rewrite import rewrite
from vllm_migrate.rules.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

MANAGER = """
    class Manager:
        def __init__(self, module, engine):
            self.module = module
            self.engine = engine
            self.runner = engine.llm_engine.model_executor.driver_worker.model_runner if engine else None

        def update(self):
            model = self.runner.model
            model.load_weights(self.module.state_dict().items())
"""
MAIN = """
    from manager import Manager
    from rollout import Rollout

    def main(module):
        rollout = Rollout()
        return Manager(module, rollout.engine)
"""
ROLLOUT = """
    from vllm import LLM

    class Rollout:
        def __init__(self):
            self.engine = LLM("m", seed=3)
"""
BUILDER = """
    from dataclasses import asdict, dataclass

    from vllm import LLM

    @dataclass
    class Settings:
        model: str
        seed: int = 1
        num_lookahead_slots: int = 0

    def build(settings: Settings):
        return LLM(**asdict(settings))
"""


def rewritten(folder: Path, **files: str) -> tuple[dict[str, str], dict[str, Safety]]:
    """The files after all edits, and the findings there were before."""
    for name, text in files.items():
        stem, _, ending = name.partition("__")
        (folder / f"{stem}.{ending or 'py'}").write_text(dedent(text).lstrip())
    scanned = scan([folder], Config())
    found = {finding.code: finding.safety for finding in scanned.findings}
    rewrite(scanned, unsafe=True, write=True)
    return {path.name: path.read_text() for path in folder.iterdir()}, found


def test_a_walk_kept_in_an_attribute_becomes_a_reload_where_the_engine_is_handed_over(tmp_path):
    manager = MANAGER.replace("= engine.llm_engine", "= self.engine.llm_engine")
    files, _ = rewritten(tmp_path, manager=manager, main=MAIN, rollout=ROLLOUT)
    assert 'self.engine.collective_rpc("reload_weights"' in files["manager.py"]
    assert "runner" not in files["manager.py"]
    assert 'os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")' in files["rollout.py"]
    assert scan([tmp_path], Config()).findings == ()


def test_a_walk_whose_engine_the_class_does_not_keep_is_left_to_a_person(tmp_path):
    files, found = rewritten(tmp_path, manager=MANAGER, main=MAIN, rollout=ROLLOUT)
    assert "model.load_weights" in files["manager.py"]
    assert "VM501" in found


def test_a_walk_that_others_read_too_is_left_to_a_person(tmp_path):
    manager = MANAGER.replace("= engine.llm_engine", "= self.engine.llm_engine")
    manager += "\n    def peek(manager):\n        return manager.runner.model\n"
    files, _ = rewritten(tmp_path, manager=manager, main=MAIN, rollout=ROLLOUT)
    assert "model.load_weights" in files["manager.py"]


def test_prompts_of_an_engine_that_another_file_hands_over(tmp_path):
    generator = """
        class Generator:
            def __init__(self, engine):
                self.engine = engine

            def run(self, batch, params):
                options = dict(sampling_params=params)
                options["prompt_token_ids"] = batch
                return self.engine.generate(**options)
    """
    main = """
        from generator import Generator
        from rollout import Rollout

        generator = Generator(engine=Rollout().engine)
    """
    files, _ = rewritten(tmp_path, generator=generator, main=main, rollout=ROLLOUT)
    assert 'options["prompts"] = [{"prompt_token_ids": ids} for ids in batch]' in files["generator.py"]


def test_a_field_that_nobody_knows_goes(tmp_path):
    files, found = rewritten(tmp_path, build=BUILDER)
    assert "num_lookahead_slots" not in files["build.py"]
    assert found["VM201"] is Safety.UNSAFE


@pytest.mark.parametrize(
    "other",
    [
        "settings = Settings('m', num_lookahead_slots=3)",
        "settings = Settings('m', 1, 2)",
        "settings = Settings(*values)",
        "class More(Settings):\n    more: int = 3",
        "def slots(settings):\n    return settings.num_lookahead_slots",
    ],
)
def test_a_field_that_another_file_knows_stays(tmp_path, other):
    files, found = rewritten(tmp_path, build=BUILDER, other=f"from build import Settings\n\n{other}\n")
    assert "num_lookahead_slots" in files["build.py"]
    assert found["VM201"] is Safety.MANUAL


def test_a_flag_that_a_script_gives_keeps_its_option(tmp_path):
    code = """
        import argparse

        from vllm import LLM

        parser = argparse.ArgumentParser()
        parser.add_argument("--model")
        parser.add_argument("--num-lookahead-slots", type=int, default=0)


        def main():
            args = parser.parse_args()
            return LLM(**vars(args))
    """
    files, _ = rewritten(tmp_path, main=code, run__sh="python main.py --num-lookahead-slots 2\n")
    assert "num-lookahead-slots" in files["main.py"]
    (tmp_path / "run.sh").unlink()
    files, _ = rewritten(tmp_path, main=code)
    assert "num-lookahead-slots" not in files["main.py"]


def test_a_seed_in_the_settings_is_a_seed(tmp_path):
    code = """
        from vllm import LLM


        def build(config, weights):
            options = dict(config.engine_kwargs)
            llm = LLM("m", **options)
            llm.collective_rpc("load_weights", args=(weights,))
            return llm
    """
    settings = "rollout:\n  engine_kwargs:\n    seed: 7\n    enforce_eager: true\n"
    _, found = rewritten(tmp_path, main=code, config__yaml=settings)
    assert "VM705" not in found
    _, found = rewritten(tmp_path, main=code, config__yaml=settings.replace("seed", "max_num_seqs"))
    assert "VM705" in found


SENDER = """
    from vllm import LLM

    class Actor:
        def __init__(self):
            self.llm = LLM("m", seed=1, worker_extension_cls="sync.WorkerWrap")

        def update_weight(self, name, dtype, ipc_handles=None):
            return self.llm.collective_rpc("update_weight", args=(name, dtype, ipc_handles))
"""
RECEIVER = """
    import torch

    class WorkerWrap:
        def update_weight(self, name, dtype, ipc_handles=None):
            dtype = by_name(dtype)
            weight = torch.empty(3, dtype=dtype)
            self.model_runner.model.load_weights([(name, weight)])
"""


def codes(folder: Path, **files: str) -> set[str]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text).lstrip())
    return {finding.code for finding in scan([folder], Config()).findings}


def test_a_dtype_that_the_worker_converts_is_sent_as_text(tmp_path):
    assert "VM507" not in codes(tmp_path, actor=SENDER, sync=RECEIVER)
    assert "VM507" in codes(tmp_path, sync=RECEIVER.replace("            dtype = by_name(dtype)\n", ""))


def test_handles_are_sent_where_somebody_makes_them(tmp_path):
    maker = "from torch.multiprocessing.reductions import reduce_tensor\n\nhandle = reduce_tensor(weight)\n"
    assert "VM507" in codes(tmp_path, actor=SENDER, sync=RECEIVER, maker=maker)


def test_samples_of_an_engine_that_nobody_cuts_short_are_complete(tmp_path):
    train = """
        def train(outputs, loss):
            for output in outputs:
                for sample in output.outputs:
                    cut = sample.finish_reason == "length"
            loss.backward()
    """
    sample = """
        from vllm import LLM

        def sample(llm: LLM, prompts, loss):
            for output in llm.generate(prompts):
                for sample in output.outputs:
                    cut = sample.finish_reason == "length"
            loss.backward()
    """
    assert "VM405" not in codes(tmp_path, train=train, sample=sample)
    assert "VM405" in codes(tmp_path, other="async def stop(engine):\n    await engine.pause_generation()\n")


CONFIG = """
    from dataclasses import dataclass, field

    @dataclass
    class EngineConfig:
        model: str = "m"
        num_lookahead_slots: int = field(default=0)
        learning_rate: float = 0.1

    @dataclass
    class Other:
        num_lookahead_slots_of_mine: int = 0
"""
OPTIONS = """
    import argparse

    def read():
        parser = argparse.ArgumentParser()
        parser.add_argument("--model", default="m")
        parser.add_argument("--use-v2-block-manager", action="store_true")
        return parser.parse_args()
"""
TAKES_FIELDS = """
    from dataclasses import asdict

    from vllm import LLM

    from config import EngineConfig

    def build(config: EngineConfig):
        return LLM(**asdict(config))
"""
TAKES_OPTIONS = """
    from vllm import EngineArgs

    from options import read

    def build():
        return EngineArgs.from_cli_args(read())
"""


def test_fields_of_another_file_s_dataclass_reach_an_engine(tmp_path):
    files, found = rewritten(tmp_path, config=CONFIG, run=TAKES_FIELDS)
    assert found["VM201"] is Safety.UNSAFE
    assert "    num_lookahead_slots:" not in files["config.py"]
    assert "learning_rate" in files["config.py"]
    assert "num_lookahead_slots_of_mine" in files["config.py"]
    assert files["run.py"] == dedent(TAKES_FIELDS).lstrip()


def test_options_of_another_file_s_parser_reach_an_engine(tmp_path):
    files, found = rewritten(tmp_path, options=OPTIONS, run=TAKES_OPTIONS)
    assert found["VM201"] is Safety.UNSAFE
    assert "block-manager" not in files["options.py"]
    assert '"--model"' in files["options.py"]


def test_a_field_handed_over_by_itself_is_told_where_it_is_declared(tmp_path):
    run = TAKES_FIELDS.replace("**asdict(config)", '"m", num_lookahead_slots=config.num_lookahead_slots')
    for name, text in (("config", CONFIG), ("run", run)):
        (tmp_path / f"{name}.py").write_text(dedent(text).lstrip())
    found = scan([tmp_path], Config()).findings
    assert [(str(one.path), one.code) for one in found] == [("config.py", "VM201"), ("run.py", "VM201")]


def test_fields_that_reach_no_engine_are_nobody_s_business(tmp_path):
    run = TAKES_FIELDS.replace("LLM(**asdict(config))", 'LLM("m"), asdict(config)')
    _, found = rewritten(tmp_path, config=CONFIG, run=run)
    assert "VM201" not in found


def test_what_a_module_of_the_project_imports_is_mended_there(tmp_path: Path) -> None:
    files = {
        "own/types.py": """
            from vllm.entrypoints.openai.protocol import CompletionRequest, RerankResponse as R
        """,
        "own/again.py": "from .types import *\nfrom .types import R\n",
        "own/vendor.py": "import vllm\n",
        "own/__init__.py": "",
        "use.py": """
            from own import types
            from own.again import CompletionRequest, R
            from own.vendor import vllm
            from own.types import CompletionRequest as Own

            def answer(request: CompletionRequest, own: Own) -> R:
                types.R(request)
                return vllm.entrypoints.openai.protocol.EmbeddingRequest(own)
        """,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    found = scan([tmp_path], Config()).findings
    places = {(str(one.path), "EmbeddingRequest" in one.message) for one in found}
    assert places == {("own/types.py", False), ("use.py", True)}
    assert len(found) == 3


def test_log_probabilities_that_a_derived_class_asks_for(tmp_path):
    base = (
        "from vllm import LLM, SamplingParams\n\n\nclass Actor:\n    def __init__(self):\n"
        "        self.llm = LLM('m')\n        self.params = SamplingParams(n=4)\n\n"
        "    def draw(self, p):\n        return self.llm.generate(p, self.params)\n\n"
        "    def texts(self, p):\n        return self.draw(p)[0].outputs[0].text\n"
    )
    files = {
        "actor": base,
        "middle": "from actor import Actor\n\n\nclass Middle(Actor):\n    pass\n",
        "train": "def step(loss, out):\n    loss(out[0].outputs[0].logprobs).backward()\n",
    }
    assert "VM701" not in rewritten(tmp_path, **files)[1]
    files["ppo"] = (
        "from middle import Middle\n\n\nclass PPO(Middle):\n    def old(self, p):\n"
        "        self.params.logprobs = 1\n        return self.draw(p)[0].outputs[0].logprobs\n"
    )
    assert "VM701" in rewritten(tmp_path, **files)[1]


SETTINGS = """
    from dataclasses import dataclass

    @dataclass
    class Settings:
        model: str
        device: str = "cuda"
"""
TAKER = """
    from vllm import LLM
    from settings import Settings

    def build(settings: Settings):
        return LLM(settings.model, device=settings.device)
"""
USER = """
    def place(module, settings):
        return module.to(settings.device)
"""


def test_a_setting_of_another_name_is_none_of_the_engine_s(tmp_path: Path) -> None:
    """`longest` says how much is generated; one use of it is an argument that is gone."""
    for name, text in {
        "settings.py": SETTINGS.replace('device: str = "cuda"', "longest: int = 512"),
        "build.py": TAKER.replace("device=settings.device", "max_seq_len_to_capture=settings.longest"),
    }.items():
        (tmp_path / name).write_text(dedent(text))
    found = scan([tmp_path], Config(target="0.32.0")).findings
    assert [f.path.name for f in found if f.code == "VM201"] == ["build.py"]


@pytest.mark.parametrize(("more", "places"), [("", ["build.py", "settings.py"]), (USER, ["build.py"])])
def test_a_setting_that_others_read_too_stays(tmp_path: Path, more: str, places: list[str]) -> None:
    """The keyword goes in either case; the field only where the engine alone was given it."""
    for name, text in {"settings.py": SETTINGS, "build.py": TAKER, "place.py": more}.items():
        (tmp_path / name).write_text(dedent(text))
    told = [
        f.path.name
        for f in scan([tmp_path], Config(target="0.32.0")).findings
        if f.code in ("VM201", "VM290")
    ]
    assert sorted(told) == places


@pytest.mark.parametrize(("more", "told"), [("", 1), ("    return args.task\n", 0)])
def test_an_option_that_only_others_read_on_the_target(tmp_path: Path, more: str, told: int) -> None:
    text = (
        "import argparse\n\nfrom vllm import EngineArgs\n\n\ndef main():\n"
        "    parser = argparse.ArgumentParser()\n    parser.add_argument('--task')\n"
        "    args = parser.parse_args()\n    engine_args = EngineArgs.from_cli_args(args)\n"
    )
    (tmp_path / "serve.py").write_text(text + more)
    found = [f for f in scan([tmp_path], Config(target="0.32.0")).findings if f.code in ("VM202", "VM290")]
    assert len(found) == told
