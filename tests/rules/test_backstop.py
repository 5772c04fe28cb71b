"""What the target lacks is reported even where no fact names it, and said once."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from packaging.version import Version
from rule_support import by_code, context, find, read

from vllm_migrate.config import Config
from vllm_migrate.edits.model import Level, Safety
from vllm_migrate.facts.surface.alike import same_work
from vllm_migrate.facts.surface.compare import comparison
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.backstop.absent import is_expected, is_made
from vllm_migrate.rules.backstop.instead import nothing_known, one_step_on
from vllm_migrate.rules.registry import all_rules
from vllm_migrate.rules.scan import Judge

BACKSTOP = tuple(rule.code for rule in all_rules() if rule.backstop)
LACKING = "vllm.model_executor.layers.rejection_sampler"
LLM = 'from vllm import LLM\n\nllm = LLM("m")\n'
ASYNC = "from vllm import AsyncLLMEngine\n\n\nasync def ask(engine: AsyncLLMEngine):\n"
SURFACE = comparison("vllm", Version("0.32.0")).surface
NOTHING = nothing_known(None).partition(":")[0]


def judge(text: str, file_name: str = "train.py", target: str = "0.32.0") -> list[tuple[str, Level]]:
    """What all rules find together, as a scan puts it."""
    facts = read(text.encode(), file_name, target)
    kind = FileKind.PYTHON if file_name.endswith(".py") else facts.kind
    one = Judge(context(facts.use, target=target), None, Config())
    found, _ = one.findings(one.read(PurePosixPath(file_name), kind, text.encode()))
    return [(finding.code, finding.level) for finding in found]


def codes(text: str, file_name: str = "train.py", target: str = "0.32.0") -> list[str]:
    return [code for code, _ in judge(text, file_name, target)]


def test_it_runs_after_all_other_rules() -> None:
    assert set(BACKSTOP) == {"VM190", "VM290", "VM390", "VM490", "VM590", "VM890"}


@pytest.mark.parametrize(
    ("text", "file_name"),
    [
        ("from vllm.utils import get_open_port\n\nport = get_open_port()\n", "train.py"),
        ("from vllm.sequence import SequenceGroup\n\nkind = SequenceGroup\n", "train.py"),
        ("from vllm.worker.worker import Worker\n\n\nclass Mine(Worker):\n    pass\n", "train.py"),
        ("import vllm.worker.worker\n\n\nclass Mine(vllm.worker.worker.Worker):\n    pass\n", "train.py"),
        ('from vllm import EngineArgs\n\nargs = EngineArgs("m", swap_space=4)\n', "train.py"),
        ("from vllm import SamplingParams\n\nparams = SamplingParams(best_of=4)\n", "train.py"),
        ("from vllm import SamplingParams\n\nparams = SamplingParams()\nparams.best_of = 4\n", "train.py"),
        (f"{LLM}llm.generate(prompt_token_ids=[[1]])\n", "train.py"),
        (f"{LLM}model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n", "train.py"),
        (
            (
                "from unittest.mock import patch\n\n"
                'with patch("vllm.worker.worker.Worker.execute_model"):\n'
                "    pass\n"
            ),
            "train.py",
        ),
        ("vllm serve m --swap-space 16\n", "run.sh"),
        ("export VLLM_USE_V1=0\npython train.py\n", "run.sh"),
        ("engine_kwargs:\n  vllm:\n    swap_space: 4\n", "config.yaml"),
    ],
)
def test_what_a_fact_names_is_said_once_by_its_rule(text: str, file_name: str) -> None:
    found = codes(text, file_name)
    assert found
    assert not set(found) & set(BACKSTOP)


@pytest.mark.parametrize(
    ("code", "text", "file_name", "said"),
    [
        ("VM190", f"from {LACKING} import RejectionSampler\n", "a.py", "vllm.v1.sample.rejection_sampler"),
        ("VM190", f"import {LACKING} as r\n", "a.py", "vllm.v1.sample.rejection_sampler"),
        ("VM190", "from vllm import envs\n\nkey = envs.compute_hash()\n", "a.py", "0.32.0 does not"),
        ("VM490", f"{LLM}llm.set_tokenizer(None)\n", "a.py", "LLM.set_tokenizer()"),
        ("VM490", f"{LLM}llm.llm_engine.get_model_config()\n", "a.py", "LLMEngine.get_model_config()"),
        ("VM590", f"{LLM}size = llm.llm_engine.parallel_config\n", "a.py", "vllm_config.parallel_config"),
        (
            "VM590",
            f"{LLM}n = llm.llm_engine.scheduler_config.max_model_len\n",
            "a.py",
            "model_config.max_model_len",
        ),
        (
            "VM590",
            f"{ASYNC}    engine.engine.has_unfinished_requests()\n",
            "a.py",
            "get_num_unfinished_requests()",
        ),
        ("VM590", f"{ASYNC}    return engine.engine.model_config\n", "a.py", "AsyncLLM has model_config"),
        ("VM590", f"{ASYNC}    return engine.engine.tokenizer.encode\n", "a.py", "get_tokenizer()"),
        ("VM590", f"{LLM}n = len(llm.llm_engine.scheduler)\n", "a.py", "get_num_unfinished_requests()"),
        (
            "VM290",
            (
                "from vllm import LLM\n\no = {}\n"
                'o["enable_multimodal_encoder_data_parallel"] = True\nllm = LLM("m", **o)\n'
            ),
            "a.py",
            "enable_multimodal_encoder_data_parallel is gone",
        ),
        ("VM290", "vllm serve m --expand-tools-even-if-tool-choice-none\n", "a.sh", "--expand-tools"),
        ("VM890", "VLLM_TRACE_FUNCTIONS=1 python a.py\n", "a.sh", "VLLM_TRACE_FUNCTION"),
    ],
)
def test_what_no_fact_names(code: str, text: str, file_name: str, said: str) -> None:
    findings = find(by_code(code), text, file_name)
    assert findings
    for finding in findings:
        assert finding.safety is Safety.MANUAL
        assert not finding.edits
        assert finding.advice
    assert any(said in f"{finding.message} {finding.advice}" for finding in findings)


@pytest.mark.parametrize(
    ("walk", "advice"),
    [
        ('if ex := getattr(one.engine, "model_executor", None):\n        ex.shutdown()', "one.shutdown()"),
        ("one.engine.model_executor.shutdown()", "one.shutdown()"),
        (
            'ex = getattr(one.engine, "model_executor")\n    ex.update(path)\n    ex.shutdown()',
            "await engine.collective_rpc(",
        ),
        ("one.engine.model_executor.update(path)", "await engine.collective_rpc("),
    ],
)
def test_an_executor_is_shut_down_by_its_engine(walk: str, advice: str) -> None:
    found, *_ = find(
        by_code("VM590"), f"from vllm import AsyncLLMEngine as E\n\n\ndef f(one: E):\n    {walk}\n"
    )
    assert found.advice.startswith(advice)


def test_a_private_method_of_the_core_is_not_proposed_at_its_client() -> None:
    found, *_ = find(by_code("VM410"), f"{LLM}llm.llm_engine._initialize_kv_caches()\n")
    assert "wake_up()" in found.advice
    assert one_step_on("vllm.LLMEngine", "_initialize_kv_caches", SURFACE) == []
    assert one_step_on("vllm.LLMEngine", "save_sharded_state", SURFACE) == ["engine_core"]


@pytest.mark.parametrize(
    ("text", "said", "unsaid"),
    [
        ("from vllm.executor.ray_gpu_executor import envs\n", "it is the module vllm.envs", "collective_rpc"),
        (
            "from vllm.model_executor.model_loader.loader import _process_weights_after_loading\n",
            "vllm.model_executor.model_loader.utils.process_weights_after_loading",
            NOTHING,
        ),
        ("from vllm.sequence import ExecuteModelRequest\n", "SchedulerOutput", "RequestOutput"),
        (
            "from vllm.executor.gpu_executor import GPUExecutor\n\nprint(GPUExecutor)\n",
            "vllm.v1.executor.uniproc_executor.UniProcExecutor",
            "V1's executors are in",
        ),
        (
            "from vllm.model_executor.parallel_utils.parallel_state import destroy_model_parallel\n",
            "vllm.distributed.parallel_state.destroy_model_parallel",
            NOTHING,
        ),
        (
            (
                "import vllm.transformers_utils.tokenizer_group.tokenizer_group\n\n"
                "vllm.transformers_utils.tokenizer_group.tokenizer_group.get_lora_tokenizer = None\n"
            ),
            "remove the patch",
            "get_tokenizer()",
        ),
        (
            (
                "import vllm.model_executor.layers.sampler\n\n"
                "vllm.model_executor.layers.sampler._sample = print\n"
            ),
            "vllm.v1.sample.sampler.Sampler",
            NOTHING,
        ),
    ],
)
def test_an_import_that_is_gone_is_told_what_fits_the_name(text: str, said: str, unsaid: str) -> None:
    advice = " ".join(finding.advice for finding in find(by_code("VM102"), text))
    assert said in advice
    assert unsaid not in advice


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("VM102", "from vllm.utils import Device\n\nkind = Device.GPU\n", NOTHING),
        (
            "VM190",
            "from vllm.inputs import ProcessorInputs\n\nx: ProcessorInputs\n",
            "vllm.inputs.EngineInput",
        ),
    ],
)
def test_another_thing_of_the_same_name_is_not_denied(code: str, text: str, said: str) -> None:
    (found,) = find(by_code(code), text)
    assert found.advice.startswith(said)
    assert "of that name" not in found.advice


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ('worker = resolve("vllm.engine.metrics")\n', [Level.ERROR]),
        ('import logging\n\nlogging.getLogger("vllm.engine.metrics").disabled = True\n', [Level.NOTE]),
        ('found = "vllm.engine.metrics" in line\n', []),
        ('found = name in ("vllm.engine.metrics", "own.metrics")\n', []),
        ('found = name.startswith("vllm.engine.metrics")\n', []),
    ],
)
def test_a_name_in_a_text_is_an_import_only_where_it_may_be_one(text: str, levels: list[Level]) -> None:
    assert [finding.level for finding in find(by_code("VM102"), text)] == levels


@pytest.mark.parametrize(
    ("walk", "said", "unsaid"),
    [
        ("engine.engine.scheduler[0]", "no engine of that kind", "collective_rpc"),
        ("engine.engine.model_config", "AsyncLLM has model_config", "collective_rpc"),
        ("engine.engine.get_tokenizer_group()", "no engine of that kind", "collective_rpc"),
    ],
)
def test_the_engine_inside_an_asynchronous_one_is_not_replaced_by_its_workers(
    walk: str, said: str, unsaid: str
) -> None:
    advice = [one.advice for one in find(by_code("VM590"), f"{ASYNC}    return {walk}\n")]
    assert said in advice[0]
    assert unsaid not in advice[0]


def test_a_field_of_the_other_output_is_sent_there() -> None:
    text = f'{LLM}for output in llm.generate(["a"]):\n    print(output.outputs[0].prompt_token_ids)\n'
    (found,) = find(by_code("VM590"), text)
    assert found.advice == "RequestOutput has prompt_token_ids: read it there, or do without it"


def test_a_successor_is_named_only_where_the_target_has_it() -> None:
    text = (
        "from vllm.entrypoints.openai.serving_score import OpenAIServingScores as Scores\n\nprint(Scores)\n"
    )
    (now,) = find(by_code("VM102"), text)
    assert now.advice.startswith("vllm.entrypoints.pooling.scoring.serving.ServingScores")
    assert "scoring" not in " ".join(one.advice for one in find(by_code("VM102"), text, target="0.12.0"))


def test_an_import_that_nothing_uses_can_go() -> None:
    unused = "from vllm.utils import Device\nfrom vllm.core.scheduler import SchedulingBudget\n"
    first, second = find(by_code("VM102"), unused)
    assert "nothing in this file uses Device: remove the import" in first.advice
    assert NOTHING not in first.advice
    assert "else: " in second.advice
    (used,) = find(by_code("VM102"), "from vllm.utils import Device\n\n\ndef f(x: 'Device'):\n    pass\n")
    assert "remove the import" not in used.advice
    (listed,) = find(by_code("VM102"), "from vllm.utils import Device\n\n__all__ = []\n")
    assert "remove the import" not in listed.advice


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("VLLM_ALL2ALL_BACKEND", "the engine has an argument all2all_backend"),
        ("VLLM_SKIP_DEEP_GEMM_WARMUP", "VLLM_DEEP_GEMM_WARMUP came since"),
        ("VLLM_USE_AITER_UNIFIED_ATTENTION", "VLLM_ROCM_USE_AITER_UNIFIED_ATTENTION came since"),
        ("VLLM_OPENVINO_KVCACHE_SPACE", "remove VLLM_OPENVINO_KVCACHE_SPACE"),
    ],
)
def test_a_variable_with_a_successor_is_not_just_removed(name: str, said: str) -> None:
    (found,) = find(by_code("VM890"), f"export {name}=1\npython train.py\n", "run.sh")
    assert found.advice.startswith(said)


def test_names_with_the_same_words_but_for_how_it_is_asked_speak_of_the_same() -> None:
    others = ("get_num_unfinished_requests", "get_num_queued_tokens", "requests", "has_unfinished_requests")
    assert same_work("has_unfinished_requests", others) == ("get_num_unfinished_requests",)
    assert same_work("get_requests", others) == ()


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (f"from {LACKING} import RejectionSampler\n", Level.ERROR),
        (f"def f():\n    from {LACKING} import RejectionSampler\n", Level.ERROR),
        ("from vllm import SamplingParamz\n", Level.ERROR),
        ("import vllm\n\nparams = vllm.SamplingParamz()\n", Level.WARNING),
        (
            f"try:\n    from {LACKING} import RejectionSampler as R\nexcept ImportError:\n    R = None\n",
            Level.NOTE,
        ),
        (
            (
                f"try:\n    from {LACKING} import RejectionSampler\nexcept ImportError as e:\n"
                '    raise ImportError("vllm is too new") from e\n'
            ),
            Level.ERROR,
        ),
        (
            (
                "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
                f"    from {LACKING} import RejectionSampler\n"
            ),
            Level.NOTE,
        ),
        (f'logger = getLogger("{LACKING}.RejectionSampler")\n', None),
        ('from vllm import envs\n\nlogger = getLogger("vllm.envs.compute_hash")\n', Level.NOTE),
        ("from vllm import envs\n\nenvs.compute_hash = None\n", Level.WARNING),
        ("from vllm import envs\n\nenvs.my_mark = None\nprint(envs.my_mark)\n", None),
    ],
)
def test_level_of_a_name(text: str, level: Level | None) -> None:
    assert [finding.level for finding in find(by_code("VM190"), text)] == ([level] if level else [])


@pytest.mark.parametrize(
    "gate",
    [
        'if Version(vllm.__version__) < Version("0.11"):\n    ',
        'if Version(vllm.__version__) >= Version("0.11"):\n    pass\nelse:\n    ',
    ],
)
def test_a_branch_the_target_never_takes_is_left_alone(gate: str) -> None:
    head = "import vllm\nfrom packaging.version import Version\n\n"
    for line in (
        f"from {LACKING} import RejectionSampler\n",
        "vllm.set_nothing()\n",
        'vllm.LLM("m").reset_prefix_cache(device=0)\n',
    ):
        assert not set(codes(f"{head}{gate}{line}")) & set(BACKSTOP)
        assert set(codes(f"{head}{line}")) & set(BACKSTOP)


def test_a_function_only_such_a_branch_names_gets_a_note() -> None:
    text = (
        "import vllm\nfrom packaging.version import Version\n\n\n"
        f"def old():\n    from {LACKING} import RejectionSampler\n\n    return RejectionSampler\n\n\n"
        'if Version(vllm.__version__) < Version("0.9"):\n    make = old\n'
    )
    assert judge(text) == [("VM190", Level.NOTE)]
    assert judge(f"{text}old()\n") == [("VM190", Level.ERROR)]


@pytest.mark.parametrize(
    ("call", "level"),
    [
        ('if hasattr(llm, "set_tokenizer"):\n    llm.set_tokenizer(None)\n', Level.NOTE),
        ("llm.set_tokenizer(None)\n", Level.ERROR),
        ("llm.set_tokeniser(None)\n", Level.WARNING),
        ('if hasattr(llm, "set_tokeniser"):\n    llm.set_tokeniser(None)\n', None),
        ("LLM.set_tokeniser = print\nllm.set_tokeniser(None)\n", None),
        ("llm.sleep(level=1)\n", None),
        ("llm.sleep(depth=1)\n", Level.WARNING),
        ("LLM(**{}).generate([], use_tqdm=False)\n", None),
    ],
)
def test_level_of_a_method(call: str, level: Level | None) -> None:
    found = [finding.level for finding in find(by_code("VM490"), LLM + call)]
    assert found == ([level] if level else [])


@pytest.mark.parametrize(
    ("method", "found"),
    [("execute_method", True), ("init_device", False), ("load_model", False), ("never_there", False)],
)
def test_a_class_that_moved_may_have_left_methods_behind(method: str, found: bool) -> None:
    text = (
        "from vllm.worker.worker_base import WorkerWrapperBase\n\n\ndef wake(config):\n"
        "    wrapper = WorkerWrapperBase(vllm_config=config)\n"
        f"    wrapper.{method}()\n"
    )
    assert [f.level for f in find(by_code("VM490"), text)] == ([Level.ERROR] if found else [])


@pytest.mark.parametrize(
    "text",
    [
        # the project's own fields and keys
        (
            "from dataclasses import dataclass\nfrom vllm import EngineArgs\n\n\n@dataclass\n"
            "class Mine(EngineArgs):\n    reward: str = ''\n\n\nargs = Mine('m', reward='r')\n"
        ),
        "from vllm import LLM\n\n\ndef build(**more):\n    return LLM('m', **more)\n\n\nbuild(seed=1)\n",
        f"{LLM}\n\nclass Own:\n    def set_tokenizer(self, t):\n        pass\n\n\nOwn().set_tokenizer(1)\n",
        f"{LLM}for o in llm.generate([]):\n    o.score = 1\n    print(o.score)\n",
        "from .vllm import Sampler\nfrom . import vllm\n\nvllm.anything()\n",
        "from vllm import *\n\nllm = LLM('m')\n",
        "from vllm._C import ops\n",
        "import vllm.third_party.pynvml as pynvml\n\npynvml.nvmlInit()\n",
    ],
)
def test_the_users_own_and_what_can_not_be_known(text: str) -> None:
    assert not set(codes(text)) & set(BACKSTOP)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("vllm serve m --max-model-length 8\n", Level.NOTE),
        ("vllm serve m --tensor-parallel 8\n", None),
        ("vllm serve m --max_model_len 8\n", None),
        ("vllm serve m --no-enable-prefix-caching -tp 2\n", None),
        ("trl vllm-serve --model m --vllm_model_impl vllm\n", None),
        ("python -m sglang.launch_server --tp 2 --mem-fraction-static 0.5\n", None),
    ],
)
def test_flags(text: str, level: Level | None) -> None:
    found = [finding.level for finding in find(by_code("VM290"), text, "run.sh")]
    assert found == ([level] if level else [])


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('import os\nos.environ["VLLM_TRACE_FUNCTIONS"] = "1"\n', Level.WARNING),
        ('import os\nprint(os.getenv("VLLM_TRACE_FUNCTIONS"))\n', Level.NOTE),
        ('import os\nos.environ["VLLM_SERVER_URL"] = "x"\n', None),
        ('import os\nos.environ["VLLM_LOGING_LEVEL"] = "x"\n', Level.NOTE),
        ('import os\nos.environ["VLLM_LOGING_LEVEL"] = "x"\nprint(os.environ["VLLM_LOGING_LEVEL"])\n', None),
    ],
)
def test_variables(text: str, level: Level | None) -> None:
    source = "0.8.5"
    text = text.replace("VLLM_TRACE_FUNCTIONS", "VLLM_CONTIGUOUS_PA")
    found = [finding.level for finding in find(by_code("VM890"), text, source=source)]
    assert found == ([level] if level else [])


def test_a_version_between_two_extracted_ones_lacks_only_what_both_lack() -> None:
    between = comparison("vllm", Version("0.26.1"))
    assert not between.surface.exact or between.surface.release.version == "0.26.0"
    fused = ("vllm.model_executor.layers.fused_moe", "FusedMoE")
    assert comparison("vllm", Version("0.26.0")).imported(*fused) is None
    assert comparison("vllm", Version("0.27.1")).imported(*fused) is not None
    assert between.imported(*fused) is None
    assert comparison("vllm", Version("0.33.5")).imported("vllm", "LLM") is None


def test_later_releases_are_named() -> None:
    absence = comparison("vllm", Version("0.11.0")).parameter(("vllm.EngineArgs",), "weight_transfer_config")
    assert absence is not None
    assert not absence.last
    assert Version(absence.later) > Version("0.11.0")


def test_asking_and_making() -> None:
    facts = read(
        b'import vllm\nif hasattr(vllm.envs, "a"):\n    pass\nif "b" not in fields(x):\n    pass\n'
        b'x.c = 1\nx.d: int = 2\nsetattr(x, "e", 3)\nx.f == 4\n',
        "a.py",
        "0.32.0",
    )
    assert [name for name in "abcdef" if is_expected(facts, name)] == ["a", "b"]
    assert [name for name in "abcdef" if is_made(facts, name)] == ["c", "d", "e"]


@pytest.mark.parametrize(
    ("test", "level"),
    [
        ('assert vllm.__version__ >= "0.7.0"', Level.ERROR),
        ('assert "0.7.0" <= vllm.__version__', Level.ERROR),
        ('new = vllm.__version__ > "0.7.0"', Level.WARNING),
        ('new = vllm.__version__ > "0.10.0"', Level.NOTE),
        ('new = version("vllm") > "0.7.0"', Level.WARNING),
        ('v = vllm.__version__\nnew = v < "0.7.0"', Level.WARNING),
        ('v = Version(vllm.__version__)\nnew = v < Version("0.7.0")', None),
        ('new = vllm.__version__ == "0.7.0"', None),
        ('new = torch.__version__ > "2.1"', None),
        ("new = vllm.__version__ > floor", None),
    ],
)
def test_versions_as_text(test: str, level: Level | None) -> None:
    head = "import vllm\nimport torch\nfrom importlib.metadata import version\n"
    head += "from packaging.version import Version\n\n"
    found = [finding.level for finding in find(by_code("VM805"), f"{head}{test}\n")]
    assert found == ([level] if level else [])


def test_another_version_class_is_not_mixed_in() -> None:
    text = 'import vllm\nfrom semver import Version\n\nassert vllm.__version__ >= "0.7.0"\n'
    (finding,) = find(by_code("VM805"), text)
    assert not finding.edits
    assert finding.advice


_ROPE = (
    "from vllm.model_executor.layers.rotary_embedding import get_rope\n\n\ndef rope(size, theta, scaling):\n"
)


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        (
            "VM490",
            f"{_ROPE}    return get_rope(size, max_position=8, base=theta)\n",
            "goes into rope_parameters",
        ),
        (
            "VM490",
            f"{_ROPE}    return get_rope(size, rotary_dim=size, is_neox_style=True)\n",
            "doesn't give max_position, rope_parameters",
        ),
        (
            "VM490",
            (
                "from vllm.model_executor.model_loader import get_model\n\n\ndef load(config, lora):\n"
                "    return get_model(load_config=config, lora_config=lora)\n"
            ),
            "VllmConfig, which goes into vllm_config, has lora_config",
        ),
        (
            "VM490",
            (
                "from vllm.engine.protocol import EngineClient\n\n\n"
                "async def limits(engine: EngineClient):\n    return await engine.get_model_config()\n"
            ),
            "EngineClient has model_config",
        ),
        (
            "VM490",
            (
                "from vllm.engine.protocol import EngineClient\n\n\n"
                "async def words(engine: EngineClient):\n    return await engine.get_tokenizer()\n"
            ),
            "renderer.get_tokenizer() is a guess",
        ),
        (
            "VM190",
            "from vllm.inputs import token_inputs\n\nmade = token_inputs([1])\n",
            "vllm.inputs.tokens_input",
        ),
        (
            "VM190",
            "from vllm.model_executor.layers.fused_moe import FusedMoE\n\nkind = FusedMoE\n",
            "FusedMoEFactory came into its module since: a guess",
        ),
        (
            "VM102",
            "from vllm.model_executor.model_loader.loader import nn\n\nkind = nn.Module\n",
            "from another package: import it from there (nn is torch.nn by convention)",
        ),
        (
            "VM102",
            "from vllm.engine.metrics import StatLoggerBase\n\nkind = StatLoggerBase\n",
            "vllm.v1.metrics.loggers.StatLoggerBase",
        ),
        (
            "VM102",
            "from vllm.entrypoints.openai.serving_embedding import OpenAIServingEmbedding as E\n\nkind = E\n",
            "ServingEmbedding, up to 0.17 OpenAIServingEmbedding",
        ),
        (
            "VM102",
            "from vllm.entrypoints.chat_utils import parse_chat_messages_futures as f\n\nparse = f\n",
            "parse_chat_messages_async",
        ),
        (
            "VM102",
            "from vllm.multimodal.inputs import MultiModalKwargs\n\nkind = MultiModalKwargs\n",
            "MultiModalKwargsItems",
        ),
        (
            "VM410",
            "from vllm.engine.llm_engine import LLMEngine\n\nkind = LLMEngine._get_executor_cls(config)\n",
            "Executor.get_class(vllm_config)",
        ),
    ],
)
def test_advice_names_what_the_target_has_instead(code: str, text: str, advice: str) -> None:
    found = [one for one in find(by_code(code), text) if advice in one.advice]
    assert found
    assert not any("remove" in one.advice for one in found)


@pytest.mark.parametrize(
    ("code", "text", "fork"),
    [
        ("VM290", "from vllm import LLM\n\nllm = LLM('m', kv_heads=1, kv_bias=0, compress_kv=True)\n", True),
        ("VM290", "from vllm import LLM\n\nllm = LLM('m', kv_heads=1)\n", False),
        (
            "VM390",
            "from vllm import SamplingParams\n\np = SamplingParams(a_cache=1, b_cache=2, c_cache=3, n=2)\n",
            True,
        ),
        ("VM390", "from vllm import SamplingParams\n\np = SamplingParams(a_cache=1, n=2)\n", False),
    ],
)
def test_several_arguments_that_no_release_had_are_a_forks(code: str, text: str, *, fork: bool) -> None:
    found = find(by_code(code), text)
    assert found
    assert all(("keep to the fork" in one.advice) is fork for one in found)
    assert all("remove " in one.advice for one in found)
