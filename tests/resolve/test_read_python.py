"""What is read out of Python code: names, value flow, arguments, chains; and what must not be."""

from __future__ import annotations

from pathlib import PurePosixPath
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from vllm_migrate.errors import InputError
from vllm_migrate.facts.model import Target
from vllm_migrate.files.located import UNRESOLVED, Certainty, Form
from vllm_migrate.resolve.python import read_python

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

TARGET = Target("vllm", Version("0.32.0"))


def read(code: str) -> FileFacts:
    return read_python(PurePosixPath("pkg/train.py"), dedent(code).encode(), None, TARGET)


def targets(facts: FileFacts) -> list[str]:
    return [call.target for call in facts.calls]


def arguments(facts: FileFacts, owner: str) -> dict[str, str]:
    return {a.name: a.value.source for a in facts.arguments if a.owner == owner}


# Engines, however they are written


@pytest.mark.parametrize(
    "code",
    [
        "from vllm import LLM\nllm = LLM(swap_space=4)",
        "import vllm\nllm = vllm.LLM(swap_space=4)",
        "import vllm as v\nllm = v.LLM(swap_space=4)",
        "from vllm import LLM as L\nllm = L(swap_space=4)",
        "from vllm.entrypoints.llm import LLM\nllm = LLM(swap_space=4)",
        "import vllm.entrypoints.llm\nllm = vllm.entrypoints.llm.LLM(swap_space=4)",
        "from vllm import LLM\nEngine = LLM\nllm = Engine(swap_space=4)",
        "def f():\n    from vllm import LLM\n    return LLM(swap_space=4)",
        "try:\n    from vllm import LLM\nexcept ImportError:\n    LLM = None\nllm = LLM(swap_space=4)",
        "if ok():\n    from vllm import LLM\nelse:\n    LLM = object\nllm = LLM(swap_space=4)",
        "import ray\nfrom vllm import LLM\nllm = ray.remote(LLM).remote(swap_space=4)",
        "import ray\nfrom vllm import LLM\nllm = ray.remote(num_gpus=1)(LLM).remote(swap_space=4)",
        "import ray\nfrom vllm import LLM\nllm = ray.remote(LLM).options(num_gpus=1).remote(swap_space=4)",
        (
            "from functools import partial\nfrom vllm import LLM\n"
            "make = partial(LLM, swap_space=4)\nllm = make()"
        ),
    ],
)
def test_an_engine_and_its_argument_are_found(code):
    facts = read(code)
    call = next(c for c in facts.calls if c.target == "vllm.LLM" and c.arguments)
    (argument,) = call.arguments
    assert (argument.owner, argument.name, argument.value.literal) == ("engine", "swap_space", 4)
    assert argument.form is Form.KEYWORD
    assert argument.certainty is Certainty.CERTAIN
    assert facts.text(argument.span) == "swap_space=4"
    assert facts.text(argument.name_span) == "swap_space"


@pytest.mark.parametrize(
    "code",
    [
        "from vllm import LLM\nllm = LLM('m')\nllm.generate(prompt_token_ids=x)",
        (
            "from vllm import LLM\nclass A:\n    def __init__(self):\n        self.llm = LLM('m')\n"
            "    def go(self):\n        self.llm.generate(prompt_token_ids=x)"
        ),
        (
            "from vllm import LLM\nclass A:\n    def make(self):\n        return LLM('m')\n"
            "    def __init__(self):\n        self.llm = self.make()\n"
            "    def go(self):\n        self.llm.generate(prompt_token_ids=x)"
        ),
        (
            "from vllm import LLM\nclass A:\n    @property\n    def llm(self):\n        return LLM('m')\n"
            "    def go(self):\n        self.llm.generate(prompt_token_ids=x)"
        ),
        (
            "from vllm import LLM\ndef f():\n    llm = LLM('m')\n"
            "    def g():\n        llm.generate(prompt_token_ids=x)"
        ),
        (
            "from vllm import LLM\nclass Mine(LLM):\n    def go(self):\n"
            "        super().generate(prompt_token_ids=x)"
        ),
        (
            "import ray\nfrom vllm import LLM\nllm = ray.remote(LLM).remote('m')\n"
            "ray.get(llm.generate.remote(prompt_token_ids=x))"
        ),
        "from vllm import LLM\nLLM('m').generate(prompt_token_ids=x)",
    ],
)
def test_a_method_of_an_engine_is_found(code):
    facts = read(code)
    assert "vllm.LLM.generate" in targets(facts)
    assert arguments(facts, "generate") == {"prompt_token_ids": "x"}


@pytest.mark.parametrize(
    "code",
    [
        "from vllm import LLM\ndef f(llm: LLM):\n    llm.generate(prompt_token_ids=x)",
        "from vllm import LLM\ndef f(llm: 'LLM | None' = None):\n    llm.generate(prompt_token_ids=x)",
        (
            "from typing import Optional\nfrom vllm import LLM\ndef f(llm: Optional[LLM]):\n"
            "    llm.generate(prompt_token_ids=x)"
        ),
        "from vllm import LLM\nclass Mine(LLM):\n    pass\nMine('m').generate(prompt_token_ids=x)",
        (
            "from vllm import LLM\nif x:\n    llm = LLM('m')\nelse:\n    llm = other()\n"
            "llm.generate(prompt_token_ids=x)"
        ),
    ],
)
def test_annotations_subclasses_and_alternatives_are_only_likely(code):
    call = next(c for c in read(code).calls if c.target == "vllm.LLM.generate")
    assert call.certainty is Certainty.LIKELY


@pytest.mark.parametrize(
    "code",
    [
        # the user's own actor, whatever its methods are called
        (
            "import ray\nfrom vllm import LLM\n@ray.remote\nclass Actor:\n    def __init__(self):\n"
            "        self.model = LLM('m')\n    def generate(self, prompt_token_ids): pass\n"
            "a = Actor.remote()\na.generate.remote(prompt_token_ids=x)"
        ),
        (
            "import vllm\nfrom openai import OpenAI\nclient = OpenAI()\n"
            "client.completions.create(best_of=2, logprobs=1)"
        ),
        (
            "import vllm\nfrom transformers import AutoModel\nmodel = AutoModel.from_pretrained('m')\n"
            "model.generate(prompt_token_ids=x)"
        ),
        "import vllm\nimport sglang\nengine = sglang.Engine()\nengine.generate(sampling_params={})",
        (
            "from vllm import LLM\nclass Mine(LLM):\n"
            "    def generate(self, **k): pass\nMine('m').generate(best_of=1)"
        ),
        "class LLM:\n    def generate(self, **k): pass\nLLM().generate(prompt_token_ids=x)",
    ],
)
def test_what_only_looks_like_an_engine_is_left_alone(code):
    assert not [c for c in read(code).calls if c.target.endswith(".generate")]


def test_an_unknown_object_called_llm_is_a_guess():
    facts = read("import vllm\ndef f(llm):\n    llm.generate(prompt_token_ids=x)")
    (call,) = facts.calls
    assert call.certainty is Certainty.GUESS


def test_engines_from_arguments():
    facts = read(
        """
        from vllm import AsyncEngineArgs, AsyncLLMEngine
        engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs(model="m", disable_log_requests=True))
        async def f():
            async for output in engine.generate("p", params, "id"):
                output.metrics
        """
    )
    assert targets(facts) == [
        "vllm.AsyncLLMEngine.from_engine_args",
        "vllm.AsyncEngineArgs",
        "vllm.AsyncLLMEngine.generate",
    ]
    assert [(a.owner, a.name) for a in facts.attributes] == [("vllm.RequestOutput", "metrics")]


# Arguments that reach a call through **


@pytest.mark.parametrize(
    ("code", "known", "open_ended"),
    [
        ('LLM(**{"swap_space": 4})', {"swap_space": "4"}, False),
        ('kw = {"swap_space": 4}\nLLM(**kw)', {"swap_space": "4"}, False),
        ("kw = dict(swap_space=4)\nLLM(**kw)", {"swap_space": "4"}, False),
        ('kw = {}\nkw["swap_space"] = 4\nLLM(**kw)', {"swap_space": "4"}, False),
        ('kw = {}\nkw.update({"swap_space": 4}, seed=1)\nLLM(**kw)', {"swap_space": "4", "seed": "1"}, False),
        ('kw = {}\nkw.setdefault("swap_space", 4)\nLLM(**kw)', {"swap_space": "4"}, False),
        ('a = {"x": 1}\nLLM(**(a | {"swap_space": 4}))', {"x": "1", "swap_space": "4"}, False),
        ('a = {"x": 1}\na |= {"swap_space": 4}\nLLM(**a)', {"x": "1", "swap_space": "4"}, False),
        ('a = {"x": 1}\nkw = {**a, "swap_space": 4}\nLLM(**kw)', {"x": "1", "swap_space": "4"}, False),
        ('kw = {"x": 1}.copy()\nLLM(swap_space=4, **kw)', {"x": "1", "swap_space": "4"}, False),
        ('kw = {"x": 1}\nkw[name] = 2\nLLM(**kw)', {"x": "1"}, True),
        ("LLM(**load())", {}, True),
        ('kw = {"x": 1}\nkw = {"y": 2}\nLLM(**kw)', {"y": "2"}, False),
    ],
)
def test_dictionaries_are_followed(code, known, open_ended):
    facts = read("from vllm import LLM\n" + code)
    (call,) = facts.calls
    assert {a.name: a.value.source for a in call.arguments} == known
    assert call.open_ended is open_ended


def test_what_goes_with_an_entry():
    facts = read(
        """
        from vllm import LLM
        kw = {"a": 1, 'b': (2)}
        kw["c"] = 3
        kw.setdefault("d", 4)
        kw.update(e=5)
        LLM(**kw)
        """
    )
    assert [facts.text(a.span) for a in facts.arguments] == [
        '"a": 1',
        "'b': (2",
        'kw["c"] = 3',
        'kw.setdefault("d", 4)',
        "e=5",
    ]
    assert [facts.text(a.name_span) for a in facts.arguments] == list("abcde")
    assert {a.form for a in facts.arguments} == {Form.DICT}


def test_an_attribute_filled_in_another_method():
    facts = read(
        """
        from vllm import LLM
        class A:
            def __init__(self, **kwargs):
                self.args = {"swap_space": 4}
                self.args.update(kwargs)
            def build(self):
                self.args["seed"] = 1
                return LLM(**self.args)
        """
    )
    (call,) = facts.calls
    assert {a.name for a in call.arguments} == {"swap_space", "seed"}
    assert call.open_ended


def test_either_of_two_dictionaries_is_likely():
    facts = read(
        """
        from vllm import SamplingParams
        kw = {"best_of": 1} if greedy else {"n": 2}
        SamplingParams(**kw)
        """
    )
    assert {(a.name, a.certainty) for a in facts.arguments} == {
        ("best_of", Certainty.LIKELY),
        ("n", Certainty.LIKELY),
    }


def test_a_key_that_is_read_elsewhere_is_only_likely():
    facts = read(
        """
        from vllm import LLM
        kw = {"swap_space": 4, "seed": 1}
        print(kw["swap_space"])
        LLM(**kw)
        """
    )
    assert {a.name: a.certainty for a in facts.arguments} == {
        "swap_space": Certainty.LIKELY,
        "seed": Certainty.CERTAIN,
    }


def test_one_dictionary_in_two_calls_is_one_argument():
    facts = read("from vllm import LLM\nkw = {'a': 1}\nx = LLM(**kw)\ny = LLM(**kw)")
    assert [len(c.arguments) for c in facts.calls] == [1, 1]
    assert len(facts.arguments) == 1


def test_keys_that_a_method_sets_on_sampling_parameters():
    facts = read(
        """
        from vllm import SamplingParams
        class Rollout:
            def __init__(self):
                self.sampling_params = SamplingParams(n=1)
            def update(self, **kwargs):
                for key, value in kwargs.items():
                    setattr(self.sampling_params, key, value)
            def run(self, **kwargs):
                if greedy:
                    kwargs = {"best_of": 1}
                self.update(**kwargs)
        """
    )
    (found,) = [a for a in facts.arguments if a.name == "best_of"]
    assert (found.owner, found.certainty) == ("sampling", Certainty.LIKELY)


def test_an_actor_that_hands_its_keywords_on():
    facts = read(
        """
        import ray, vllm
        @ray.remote
        class Actor:
            def __init__(self, *args, bundle=None, **kwargs):
                self.count = kwargs.pop("count")
                self.llm = vllm.LLM(*args, **kwargs)
        actor = Actor.options(num_cpus=0).remote(model="m", swap_space=4, count=1, bundle=None)
        """
    )
    inner, outer = facts.calls
    assert (inner.target, inner.open_ended, inner.function) == ("vllm.LLM", True, "Actor.__init__")
    assert (outer.target, outer.open_ended, outer.certainty) == ("vllm.LLM", False, Certainty.LIKELY)
    assert [a.name for a in outer.arguments] == ["model", "swap_space"]


# Imports and references


def test_imports_and_their_uses():
    facts = read(
        """
        from vllm.utils import get_open_port as port, Counter
        def f():
            Counter = 1
            return port(), Counter
        port()
        """
    )
    first, second = facts.imports
    assert (first.qualified, first.alias, len(first.uses)) == ("vllm.utils.get_open_port", "port", 2)
    assert (second.qualified, second.uses) == ("vllm.utils.Counter", ())
    assert facts.text(first.span) == "get_open_port as port"
    assert facts.text(first.statement) == "from vllm.utils import get_open_port as port, Counter"


def test_guards():
    facts = read(
        """
        from typing import TYPE_CHECKING
        import vllm
        from packaging import version
        try:
            from vllm.a import A
        except ImportError:
            from vllm.b import A
        if TYPE_CHECKING:
            from vllm.c import C
        if version.parse(vllm.__version__) < version.parse("0.9"):
            from vllm.d import D
        from vllm.e import E
        """
    )
    assert {i.name: i.guarded for i in facts.imports if i.module.startswith("vllm.")} == {
        "A": True,
        "C": True,
        "D": True,
        "E": False,
    }


@pytest.mark.parametrize(
    ("test", "dead"),
    [
        ('version.parse(vllm.__version__) < version.parse("0.7")', "first"),
        ('version.parse(vllm.__version__) >= version.parse("0.7")', "second"),
        ('Version(importlib.metadata.version("vllm")) < Version("0.7")', "first"),
        ('vllm.__version__ == "0.6.3"', "first"),
        ('vllm_version in ("0.5.4", "0.6.3")', "first"),
        ('vllm_version not in ("0.5.4", "0.6.3")', "second"),
        ('vllm.__version__.startswith("0.6")', "first"),
        ('not version.parse(vllm.__version__) >= version.parse("0.7")', "first"),
        ('ok() and version.parse(vllm.__version__) < version.parse("0.7")', "first"),
        ('ok() or version.parse(vllm.__version__) < version.parse("0.7")', ""),
        ('is_version_ge(pkg="vllm", minver="0.7.3")', "second"),
        ('is_version_ge(pkg="torch", minver="0.7.3")', ""),
        ("is_vllm_version_greater_than_0_5_1()", "second"),
        ("packages.is_vllm_version_less_than_0_6()", "first"),
        ("is_vllm_version_greater_than_0_5_1(True)", ""),
        ("is_torch_version_greater_than_2_1()", ""),
        ('version.parse(torch.__version__) < version.parse("2.0")', ""),
        ('vllm.__version__ >= "0.7.0"', ""),  # an order of strings, not of versions
        ("vllm_version is None", ""),
        ('"0.6.3" in vllm.__version__', "first"),
        ('"0.7." in vllm.__version__', "first"),
        ('"0.6" not in vllm.__version__', "second"),
        ('"dev" in vllm.__version__', ""),  # builds of the target may be called so
        ('"0.6.3" in torch.__version__', ""),
        ('vllm.__version__.startswith(("0.5", "0.6"))', "first"),
        ('vllm_version in {"0.6.3": 1}', "first"),
        ("vllm_version in OLD_ONES", "first"),
        ("vllm_version in GROWING", ""),
        ("CURRENT_VLLM_VERSION == VLLMVersion.v_0_6_3", "first"),
        ("CURRENT_VLLM_VERSION in [VLLMVersion.v_0_5_1, VLLMVersion.V0_6_3]", "first"),
        ("CURRENT_VLLM_VERSION == VLLMVersion.OLDEST", ""),
        ("CURRENT_VLLM_VERSION < VLLMVersion.v_0_6_3", ""),  # an order of strings
        ("is_old()", "first"),
        ("is_anything()", ""),
        ("Version(vllm.__version__).release[:2] < (0, 7)", "first"),
        ("Version(vllm.__version__).minor >= 7", "second"),
        ("(0, 7, 0) <= version.parse(vllm.__version__).release", "second"),
        ("Version(torch.__version__).release < (0, 7)", ""),
        ("PARTS < (0, 7)", "first"),
        ("PARTS[1] == 6", "first"),
        ("PARTS == 6", ""),
        ('tuple(int(x) for x in vllm.__version__.split(".")[:2]) < (0, 7)', "first"),
        ('pkg_resources.get_distribution("vllm").version == "0.6.3"', "first"),
        ('pkg_resources.get_distribution("torch").version == "0.6.3"', ""),
        ('hasattr(LLM("m"), "generate")', "second"),
        ('hasattr(LLM("m").llm_engine, "no_such_thing")', ""),  # what it guards is no longer done
        ('not hasattr(vllm.LLM, "chat")', "first"),
        ('hasattr(LLM("m").llm_engine, "model_executor")', ""),  # only in one process
        ('hasattr(self, "generate")', ""),
        ('"tags" in inspect.signature(LLM("m").wake_up).parameters', "second"),
        ('"tags" not in inspect.signature(vllm.LLM.wake_up).parameters.keys()', "first"),
        ('"tags" in TAKEN', "second"),
        ('"tags" in inspect.getfullargspec(LLM.wake_up).args', "second"),
        ('"no_such_thing" in inspect.signature(LLM.wake_up).parameters', ""),
        ('"tags" in inspect.signature(wake_up).parameters', ""),
        ('"max_model_len" in inspect.signature(RayPrometheusStatLogger.__init__).parameters', "first"),
        ('"vllm_config" in inspect.signature(RayPrometheusStatLogger.__init__).parameters', "second"),
        ('"no_such_thing" in inspect.signature(EngineArgs.__init__).parameters', ""),  # to be told
    ],
)
def test_branches_the_target_never_takes(test, dead):
    facts = read(
        f"""
        import inspect, vllm, torch, importlib.metadata
        from packaging import version
        from packaging.version import Version
        from vllm import EngineArgs, LLM
        from vllm.engine.metrics import RayPrometheusStatLogger
        TAKEN = inspect.signature(LLM.wake_up).parameters
        OLD_ONES = ("0.5.4", "0.6.3")
        PARTS = tuple(map(int, vllm.__version__.split(".")[:2]))
        GROWING = ["0.5.4"]
        def is_old():
            "Whether it is."
            return version.parse(vllm.__version__) < version.parse("0.7")
        def is_anything():
            return bool(vllm)
        if {test}:
            from vllm.x import first
        else:
            from vllm.y import second
        """
    )
    assert {i.name for i in facts.imports if i.dead} == ({dead} if dead else set())


def test_a_name_may_stand_for_the_test():
    facts = read(
        """
        from packaging.version import Version
        import vllm
        OLD = Version(vllm.__version__) < Version("0.7")
        MAYBE = Version(vllm.__version__) < Version("0.7")
        MAYBE = ask()
        if OLD:
            from vllm.x import first
        def f():
            if not OLD:
                from vllm.y import second
            else:
                from vllm.y import third
        if MAYBE:
            from vllm.z import fourth
        """
    )
    assert {i.name for i in facts.imports if i.dead} == {"first", "third"}


def test_keywords_pass_through_wrappers_of_wrappers():
    facts = read(
        """
        from vllm import LLM
        class Engine:
            def __init__(self, path, **given):
                settings = dict(dtype="bfloat16")
                settings.update(given)
                self.llm = LLM(path, **settings)
        def engine(path, **given):
            global ENGINE
            ENGINE = ENGINE or Engine(path, **given)
            return ENGINE
        def other(path, **given):
            return given, other(path, **given)
        engine("m", swap_space=0)
        other("m", swap_space=4)
        """
    )
    found = [a for a in facts.arguments if a.name == "swap_space"]
    assert [(a.owner, a.value.literal, a.certainty) for a in found] == [("engine", 0, Certainty.LIKELY)]


def test_a_partial_presets_what_its_callers_leave_out():
    facts = read(
        """
        from functools import partial
        from vllm import LLM
        make = partial(LLM, dtype="bfloat16")
        other = partial(LLM, **options())
        llm = make("m")
        """
    )
    assert [(c.presets, c.wrapped) for c in facts.calls] == [(True, False), (False, False), (False, True)]


def test_getters_of_configurations_are_methods():
    facts = read(
        """
        from vllm import LLMEngine
        def length(engine: LLMEngine):
            return engine.get_model_config().max_model_len + engine.model_config.max_model_len
        """
    )
    assert [call.target for call in facts.calls] == ["vllm.LLMEngine.get_model_config"]


def test_what_follows_an_early_return_is_dead():
    facts = read(
        """
        import vllm
        from packaging import version
        def patch():
            if version.parse(vllm.__version__) != version.parse("0.7.3"):
                return
            from vllm.core.scheduler import Scheduler
        """
    )
    assert [i.dead for i in facts.imports] == [False, False, True]


def test_what_stands_behind_a_raise_is_dead():
    facts = read(
        """
        def generate(deep):
            if deep:
                from vllm.core.scheduler import A
                raise ValueError
            from vllm.core.scheduler import B
            raise NotImplementedError()
            from vllm.core.scheduler import C
            for one in deep:
                continue
                from vllm.core.scheduler import D
        from vllm.core.scheduler import E
        """
    )
    assert {i.name for i in facts.imports if i.dead} == {"C", "D"}


def test_references_and_their_contexts():
    facts = read(
        """
        import vllm
        from unittest.mock import patch
        from vllm.core import scheduler
        from vllm.worker.worker import Worker
        class Mine(Worker): pass
        scheduler.Scheduler.step = None
        vllm.envs.VLLM_USE_V1
        patch("vllm.worker.worker.Worker.x")
        path = "vllm.worker.worker:Worker"
        text = "vllm.is a great engine"
        """
    )
    assert [(r.qualified, r.context) for r in facts.references] == [
        ("vllm.worker.worker.Worker", "base"),
        ("vllm.core.scheduler.Scheduler.step", "assign"),
        ("vllm.envs.VLLM_USE_V1", "name"),
        ("vllm.worker.worker.Worker.x", "patch"),
        ("vllm.worker.worker.Worker", "string"),
    ]
    assert facts.text(facts.references[3].span) == "vllm.worker.worker.Worker.x"


def test_star_imports_are_only_likely():
    facts = read("from vllm import *\nllm = LLM(swap_space=4)")
    assert [(c.target, c.certainty) for c in facts.calls] == [("vllm.LLM", Certainty.LIKELY)]


def test_classes():
    facts = read(
        """
        from vllm.worker.worker import Worker
        @decorated
        class Wrap(Worker, Mixin,  # (both)
        ):
            def __init__(self):
                super().__init__()
            def update(self): pass
        class Other: pass
        """
    )
    (found,) = facts.classes
    assert [name for name, _ in found.bases] == ["vllm.worker.worker.Worker", "Mixin"]
    assert facts.text(found.bases_span) == "(Worker, Mixin,  # (both)\n)"
    assert facts.text(found.name_span) == "Wrap"
    assert found.methods == ("__init__", "update")
    assert found.calls_super


# Insides


def test_a_chain_with_its_binding_and_calls():
    facts = read(
        """
        from vllm import LLM
        class A:
            def __init__(self):
                self.llm = LLM("m")
            def sync(self, state):
                model = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
                model.load_weights(state.items())
        """
    )
    (chain,) = facts.chains
    assert chain.root == "self.llm"
    assert chain.attributes == ("llm_engine", "model_executor", "driver_worker", "model_runner", "model")
    assert chain.bound_to == "model"
    assert not chain.escapes
    (call,) = chain.method_calls
    assert (call.receiver, call.method, call.whole) == ("model", "load_weights", True)
    assert facts.text(call.arguments_span) == "state.items()"


def test_a_chain_that_is_called_at_its_end():
    facts = read("from vllm import LLM\nllm = LLM('m')\nllm.llm_engine.model_executor.stop(1)")
    (chain,) = facts.chains
    assert facts.text(chain.span) == "llm.llm_engine.model_executor"
    assert [m.method for m in chain.method_calls] == ["stop"]


def test_a_bound_chain_that_is_used_otherwise_escapes():
    facts = read("from vllm import LLM\nllm = LLM('m')\nm = llm.llm_engine.model_executor\nf(m)\nm.x()")
    assert facts.chains[0].escapes


@pytest.mark.parametrize(
    ("code", "certainty"),
    [
        ("self.engine.llm_engine.model_executor.driver_worker", Certainty.LIKELY),
        ("engine.llm_engine.x", Certainty.GUESS),
    ],
)
def test_chains_from_unknown_roots(code, certainty):
    (chain,) = read(code).chains
    assert chain.certainty is certainty


@pytest.mark.parametrize(
    "code",
    [
        "import vllm.model_executor.models.llava\nvllm.model_executor.models.llava.Projector = Mine",
        "class A(Executor):\n    def run(self):\n        return self.driver_worker.cache_engine[0]",
    ],
)
def test_modules_and_an_executors_own_worker_are_no_chains(code):
    assert read(code).chains == ()


def test_a_chain_that_is_asked_for_first_is_only_guessed():
    head = "from vllm import LLM\nllm = LLM('m')\n"
    walk = "    del llm.llm_engine.model_executor"
    chain = read(f"{head}if hasattr(llm.llm_engine, 'model_executor'):\n{walk}").chains[-1]
    assert chain.certainty is Certainty.GUESS
    chain = read(f"{head}if hasattr(llm.llm_engine, 'other'):\n{walk}").chains[-1]
    assert chain.certainty is Certainty.CERTAIN


def test_public_methods_are_no_chain():
    facts = read("from vllm import LLM\nllm = LLM('m')\nllm.sleep(level=1)\nllm.get_tokenizer()")
    assert facts.chains == ()
    assert targets(facts) == ["vllm.LLM", "vllm.LLM.sleep", "vllm.LLM.get_tokenizer"]


def test_attributes_of_outputs_and_parameters():
    facts = read(
        """
        from vllm import LLM, SamplingParams
        llm, p = LLM("m"), SamplingParams(n=1)
        p = SamplingParams(n=1)
        p.best_of = 2
        model = LLM("m")
        outputs = model.generate(x, p)
        ids = [o.token_ids for out in outputs for o in out.outputs]
        for i, out in enumerate(outputs):
            out.metrics
            out.outputs[0].cumulative_logprob
        """
    )
    found = {(a.owner, a.name, a.assigned) for a in facts.attributes}
    assert {
        ("vllm.SamplingParams", "best_of", True),
        ("vllm.CompletionOutput", "token_ids", False),
        ("vllm.RequestOutput", "metrics", False),
        ("vllm.CompletionOutput", "cumulative_logprob", False),
    } <= found
    assert facts.use.reads_logprobs


# Patches and variables


def test_patches_bound_earlier():
    facts = read(
        """
        from unittest.mock import patch
        from vllm.worker.worker import Worker
        size = patch("torch.distributed.get_world_size", return_value=1)
        shared = patch("vllm.a.b")
        with size, patch.object(Worker, "check"), shared, open("x") as f:
            pass
        print(shared)
        """
    )
    (block,) = facts.patches
    assert [(i.target, i.binding is not None) for i in block.items] == [
        ("torch.distributed.get_world_size", True),
        ("vllm.worker.worker.Worker.check", False),
        ("vllm.a.b", False),
    ]


@pytest.mark.parametrize(
    ("code", "action", "removable", "gone"),
    [
        ('os.environ["VLLM_USE_V1"] = "0"', "set", True, 'os.environ["VLLM_USE_V1"] = "0"'),
        ('a = os.environ["VLLM_USE_V1"] = "0"', "set", False, 'os.environ["VLLM_USE_V1"]'),
        (
            'os.environ.setdefault("VLLM_USE_V1", "0")',
            "default",
            True,
            'os.environ.setdefault("VLLM_USE_V1", "0")',
        ),
        (
            'x = os.environ.setdefault("VLLM_USE_V1", "0")',
            "default",
            False,
            'os.environ.setdefault("VLLM_USE_V1", "0")',
        ),
        ('os.environ.pop("VLLM_USE_V1", None)', "unset", True, 'os.environ.pop("VLLM_USE_V1", None)'),
        ('del os.environ["VLLM_USE_V1"]', "unset", True, 'del os.environ["VLLM_USE_V1"]'),
        ('x = os.getenv("VLLM_USE_V1", "1")', "read", False, 'os.getenv("VLLM_USE_V1", "1")'),
        ('x = environ.get("VLLM_USE_V1")', "read", False, 'environ.get("VLLM_USE_V1")'),
        ('x = "VLLM_USE_V1" in os.environ', "read", False, '"VLLM_USE_V1" in os.environ'),
        ('monkeypatch.setenv("VLLM_USE_V1", "0")', "set", True, 'monkeypatch.setenv("VLLM_USE_V1", "0")'),
        ('run(env={"VLLM_USE_V1": "0"})', "set", True, '"VLLM_USE_V1": "0"'),
        ('ray.init(runtime_env={"env_vars": {"VLLM_USE_V1": "0"}})', "set", True, '"VLLM_USE_V1": "0"'),
        ('env = dict(VLLM_USE_V1="0")', "set", True, 'VLLM_USE_V1="0"'),
        ('env["VLLM_USE_V1"] = "0"', "set", True, 'env["VLLM_USE_V1"] = "0"'),
    ],
)
def test_environment_variables(code, action, removable, gone):
    facts = read(f"import os\nfrom os import environ\n{code}")
    (variable,) = facts.variables
    assert (variable.name, variable.action, variable.removable) == ("VLLM_USE_V1", action, removable)
    assert facts.text(variable.span) == gone
    assert facts.text(variable.name_span) == "VLLM_USE_V1"


def test_values():
    facts = read("from vllm import LLM\nLLM(a=-1, b=[1, {'x': None}], c=f(), d=LLM, e='s')")
    values = {a.name: a.value for a in facts.arguments}
    assert values["a"].literal == -1
    assert values["b"].literal == [1, {"x": None}]
    assert values["c"].literal is UNRESOLVED
    assert values["d"].name == "vllm.LLM"
    assert values["e"].literal == "s"


# The file as a whole


def test_signs_of_use():
    facts = read(
        """
        import os
        from vllm import LLM, SamplingParams
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        llm = LLM("m")
        SamplingParams(logprobs=1)
        loss.backward()
        llm.collective_rpc("update_weight", args=())
        llm.reset_prefix_cache()
        if __name__ == "__main__":
            pass
        """
    )
    use = facts.use
    assert all(
        [
            use.reads_logprobs,
            use.syncs_weights,
            use.trains,
            use.main_guard,
            use.resets_cache,
            use.engine_in_process,
        ]
    )


def test_a_plain_script_shows_none():
    use = read("from vllm import LLM\nLLM('m').generate('x')").use
    assert not any([use.reads_logprobs, use.syncs_weights, use.trains, use.main_guard, use.resets_cache])


def test_what_runs_on_import():
    facts = read(
        """
        from vllm import LLM
        LLM("a")
        class A:
            x = LLM("b")
        def f():
            LLM("c")
        if __name__ == "__main__":
            LLM("d")
        """
    )
    assert [c.at_import for c in facts.calls] == [True, True, False, False]
    assert [c.function for c in facts.calls] == ["", "", "f", ""]


def test_suppressions():
    facts = read("from vllm import LLM\nLLM(swap_space=4)  # vllm-migrate: ignore[VM201] kept on purpose\n")
    assert facts.suppressions == {2: ("VM201",)}


def test_pins_in_a_setup_script():
    source = b'setup(install_requires=["torch", "vllm==0.8.5", "trl[vllm]>=0.14"])\n'
    facts = read_python(PurePosixPath("setup.py"), source, None, None)
    assert [(p.package, p.specifier) for p in facts.pins] == [("vllm", "==0.8.5"), ("trl", ">=0.14")]
    assert [facts.text(p.specifier_span) for p in facts.pins] == ["==0.8.5", ">=0.14"]


def test_what_is_no_python_is_an_input_error():
    with pytest.raises(InputError):
        read("def (")


def test_positions_behind_other_letters():
    source = '# -*- coding: latin-1 -*-\nfrom vllm import LLM\nx = "é"; LLM(a="ü", swap_space=4)\n'.encode(
        "latin-1"
    )
    facts = read_python(PurePosixPath("a.py"), source, None, None)
    assert [facts.text(a.span) for a in facts.arguments] == ['a="ü"', "swap_space=4"]


def test_a_predicate_of_the_files_own_that_reads_the_version_decides() -> None:
    facts = read_python(
        PurePosixPath("a.py"),
        b"import vllm\nfrom packaging import version\nfrom vllm import LLM\n\n\n"
        b"class Engine:\n"
        b"    @staticmethod\n"
        b"    def _version_ge(bound):\n"
        b"        return version.parse(vllm.__version__) >= version.parse(bound)\n\n"
        b"    def build(self):\n"
        b"        if self._version_ge('0.4.3'):\n"
        b"            return LLM('new')\n"
        b"        else:\n"
        b"            return LLM('old')\n",
        None,
        Target("vllm", Version("0.32.0")),
    )
    assert [(c.positional[0][0].literal, c.dead) for c in facts.calls if c.target == "vllm.LLM"] == [
        ("new", False),
        ("old", True),
    ]
