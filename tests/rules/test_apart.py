"""Engines that training has nothing to do with, and what is known of an engine where it is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, context, find, read

from vllm_migrate.edits.model import Level
from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.use import Use
from vllm_migrate.rules.mentions import Mentions
from vllm_migrate.rules.silent.held import held, keeps_weights

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.rules.base import Context

RL = Use(trains=True, syncs_weights=True)
HEAD = "from vllm import LLM, SamplingParams\n\n\n"
SCORE = (
    f"{HEAD}def score(args, prompts, params):\n    llm = LLM('m')\n    return llm.generate(prompts, params)\n"
)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train.py", True),
        ("data/draw.py", True),
        ("test_time_rl.py", True),  # no test
        ("eval/math/run_eval.py", False),
        ("src/eval_bench.py", False),
        ("evaluation/online.py", False),
        ("scripts/inference.py", False),
        ("tests/test_engine.py", False),
        ("analysis/pass_at_k.py", False),
        ("retrieval/evaluated.py", True),  # other words
    ],
)
def test_evaluation_is_no_training(name: str, said: bool) -> None:
    assert bool(find(by_code("VM703"), SCORE, name, use=RL)) is said


def test_what_trains_or_draws_samples_to_train_on_is_training_whatever_it_is_called() -> None:
    rule = by_code("VM703")
    assert find(rule, f"{SCORE}    loss.backward()\n", "eval/run.py", use=RL)
    assert find(rule, f"{SCORE}    llm.collective_rpc('update_weight')\n", "eval/run.py", use=RL)
    assert find(rule, f"{SCORE}\n\ndef rejection_sampling(rewards): ...\n", "cli/batch_inference.py", use=RL)


def project(folder: Path, name: str, text: str) -> Context:
    path = folder / name
    path.write_text(text)
    files = (SourceFile(path, PurePosixPath(name), FileKind.PYTHON),)
    return replace(context(RL), mentions=Mentions(files))


def test_what_a_trainer_imports_is_training(tmp_path: Path) -> None:
    facts = read(SCORE.encode(), "evaluation/judge.py", "0.32.0")
    rule = by_code("VM703")
    asks = "from evaluation.judge import score\n\n\ndef f(loss):\n    return score(loss){}\n"
    assert list(rule.find(facts, project(tmp_path, "a.py", asks.format(".backward()"))))
    assert not list(rule.find(facts, project(tmp_path, "b.py", asks.format(""))))


def test_the_seed_of_code_that_evaluates_is_its_own() -> None:
    ranks = SCORE.replace("args,", "args, world_size,")
    assert [f.level for f in find(by_code("VM705"), ranks, "train.py", use=RL)] == [Level.WARNING]
    assert [f.level for f in find(by_code("VM705"), ranks, "eval/run.py", use=RL)] == []
    shown = replace(read(ranks.encode(), "guide.py", "0.32.0"), path=PurePosixPath("guide.rst"))
    assert list(by_code("VM705").find(shown, context(RL))) == []
    trained = f"{ranks}\nloss.backward()\n"
    shown = replace(read(trained.encode(), "guide.py", "0.32.0"), path=PurePosixPath("guide.rst"))
    assert list(by_code("VM705").find(shown, context(RL)))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("SamplingParams(temperature=0)", False),
        ("SamplingParams(seed=args.seed)", False),
        ("SamplingParams(temperature=0.7)", True),
        ("SamplingParams(seed=None)", True),
        ("SamplingParams(**args)", True),
        ("args.params", True),
    ],
)
def test_the_engines_seed_decides_nothing_where_requests_have_their_own(params: str, said: bool) -> None:
    text = SCORE.replace(", params):", "):").replace("    return", f"    params = {params}\n    return")
    assert bool(find(by_code("VM705"), text, use=RL)) is said


def test_an_engine_of_one_branch_is_not_that_of_the_other() -> None:
    text = (
        f"{HEAD}def run(args, prompts):\n    if args.fast:\n        model = LLM('m')\n    else:\n"
        "        model = load('m')\n    params = SamplingParams(temperature=0)\n    if args.fast:\n"
        "        return model.generate(prompts, params)\n    return finish(model=model)\n"
    )
    assert find(by_code("VM705"), text, use=RL)  # it is handed to finish()
    other = text.replace("    return finish(", "    else:\n        return finish(")
    assert find(by_code("VM705"), other, use=RL) == []


@pytest.mark.parametrize(
    ("code", "keeps"),
    [
        ("    return llm.generate(p)", True),
        ("    t = llm.get_tokenizer()\n    return llm.chat(t), llm.llm_engine.model_config", True),
        ("    return llm", False),
        ("    push(llm)\n    return llm.generate(p)", False),
        ("    other = llm\n    return llm.generate(p)", False),
        ("    llm.llm_engine.model_executor.driver_worker.f()\n    return llm.generate(p)", False),
        ("    llm.apply_model(p)\n    return llm.generate(p)", False),
        ("    global llm\n    return llm.generate(p)", False),
        ("    return None", False),
    ],
)
def test_which_engine_keeps_its_weights(code: str, keeps: bool) -> None:
    build = "    global llm\n    llm = LLM('m')\n" if "global" in code else "    llm = LLM('m')\n"
    text = f"{HEAD}def f(p):\n{build}{code.replace('    global llm' + chr(10), '')}\n"
    facts = read(text.encode(), "a.py", "0.32.0")
    assert keeps_weights(facts, facts.calls[0], context(RL)) is keeps


def test_weights_that_are_pushed_beside_an_engine_may_reach_it() -> None:
    push = "    client.update_named_param('w', p)\n"
    for text, keeps in (
        (f"{SCORE}\n\ndef push(client, p):\n{push}", True),
        (SCORE.replace("    return", f"{push}    return"), False),
    ):
        facts = read(text.encode(), "a.py", "0.32.0")
        assert keeps_weights(facts, facts.calls[0], context(RL)) is keeps


def test_workers_of_the_projects_own_may_change_the_weights() -> None:
    text = SCORE.replace("LLM('m')", "LLM('m', worker_extension_cls='a.B')")
    facts = read(text.encode(), "a.py", "0.32.0")
    assert not keeps_weights(facts, facts.calls[0], context(RL))


def test_an_object_keeps_its_engine_until_another_file_takes_it(tmp_path: Path) -> None:
    text = (
        f"{HEAD}class Judge:\n    def __init__(self):\n        self.llm = LLM('m')\n\n"
        "    def ask(self, p, params):\n        return self.llm.generate(p, params)\n"
    )
    facts = read(text.encode(), "judge.py", "0.32.0")
    call = facts.calls[0]
    found = held(facts, call)
    assert found is not None
    assert found.attribute == "llm"
    assert keeps_weights(facts, call, project(tmp_path, "a.py", "judge.ask(p)\nself.llm.wake_up()\n"))
    assert not keeps_weights(facts, call, project(tmp_path, "b.py", "push(judge.llm)\n"))


def test_a_test_that_trains_nothing_has_no_generators_to_keep() -> None:
    text = SCORE.replace("LLM('m')", "LLM('m', distributed_executor_backend='external_launcher')")
    text += "    llm.collective_rpc('update_weight')\n"
    assert find(by_code("VM807"), text, "train.py", use=RL)
    assert find(by_code("VM807"), text, "tests/test_engine.py", use=RL) == []


WRAPPER = "from vllm import LLM\n\n\nclass Wrapper:\n    def __init__(self):\n        self.llm = LLM('m')\n"


def test_a_wrapper_that_only_evaluation_makes_is_apart(tmp_path: Path) -> None:
    facts = read(WRAPPER.encode(), "actors/proxy.py", "0.32.0")
    use = "from actors.proxy import Wrapper\n\nWrapper()\n"
    (tmp_path / "eval").mkdir()
    assert not list(by_code("VM703").find(facts, project(tmp_path, "eval/run.py", use)))
    assert list(by_code("VM703").find(facts, project(tmp_path, "run.py", use)))
    assert list(by_code("VM703").find(facts, project(tmp_path, "other.py", "pass\n")))


CHAT = (
    "from vllm import LLM\n\n\ndef answer(prompts, params):\n    return LLM('m').generate(prompts, params)\n"
)


@pytest.mark.parametrize(
    ("name", "importer", "said"),
    [
        ("train.py", "from lib.chat_engine import answer\n\n\ndef f(loss):\n    loss.backward()\n", True),
        ("lib/train.py", "from . import chat_engine\n\n\ndef f(loss):\n    loss.backward()\n", True),
        ("lib/train.py", "from .chat_engine import (\n    answer,\n)\nloss.backward()\n", True),
        ("train.py", "from other.chat_engine import answer\nloss.backward()\n", False),  # another module
        ("tests/test_chat.py", "from lib.chat_engine import answer\nloss.backward()\n", False),
        ("app.py", "from lib.chat_engine import answer\n", False),
    ],
)
def test_something_has_to_lead_from_an_engine_to_the_training(
    tmp_path: Path, name: str, importer: str, *, said: bool
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    around = project(tmp_path, name, importer)
    facts = read(CHAT.encode(), "lib/chat_engine.py", "0.32.0")
    assert bool(list(by_code("VM703").find(facts, around))) is said
    assert bool(list(by_code("VM702").find(read(ESCAPES, "lib/chat_engine.py", "0.32.0"), around))) is said


def test_what_imports_a_trainer_of_the_project_draws_for_it(tmp_path: Path) -> None:
    for more, said in (("from tuned import tune\n", True), ("from other.tuned import tune\n", False)):
        trainer = project(tmp_path, "tuned.py", "def tune(loss):\n    loss.backward()\n")
        facts = read(f"{more}{CHAT}".encode(), "few.py", "0.32.0")
        assert bool(list(by_code("VM703").find(facts, trainer))) is said


ESCAPES = b"from vllm import LLM\n\n\ndef build():\n    return LLM('m')\n"


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("gen/draw.py", "json.dump(answers, file)", True),
        ("gen/draw.py", "print(answers)", False),  # nobody gets what was drawn
        ("tools/draw.py", "json.dump(answers, file)", False),
        ("tools/draw.py", "json.dump(to_rollouts(answers), file)", True),
        ("tools/draw.py", "json.dump({'chosen': answers[0]}, file)", True),
        ("tools/draw.py", "json.dump(rewards(answers), file)", False),  # a search has a reward model, too
        ("tools/draw.py", "json.dump(answers, file)  # for GRPO", False),
        ("tools/draw.py", "json.dump(answers, open('rollouts'))", False),
    ],
)
def test_what_is_drawn_for_training_says_so_and_is_kept(
    tmp_path: Path, name: str, code: str, *, said: bool
) -> None:
    text = f"{CHAT}\n\nanswers = answer(p, q)\n{code}\n"
    facts = read(text.encode(), name, "0.32.0")
    assert bool(list(by_code("VM703").find(facts, project(tmp_path, "a.py", "pass\n")))) is said


HANDED = (
    "from vllm import LLM\n\n\ndef draw(model, prompts):\n    return model.{method}(prompts)\n\n\n"
    "def main(prompts):\n    llm = LLM('m', seed=1)\n    return draw({given}, prompts)\n"
)


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("generate", "llm", False),
        ("generate", "model=llm", False),
        ("collective_rpc", "llm", True),
        ("generate", "*llm", True),
    ],
)
def test_an_engine_that_is_handed_to_a_function_beside_it(method: str, given: str, said: bool) -> None:
    given = f"{given}, prompts=prompts" if "=" in given else given
    text = HANDED.format(method=method, given=given).replace("prompts=prompts, prompts", "prompts=prompts")
    assert bool(find(by_code("VM702"), text, use=RL)) is said


TRIED = (
    "from vllm import LLM\n\n\nclass Actor: ...\n\n\nif __name__ == '__main__':\n"
    "    llm = LLM('m')\n    {kept}\n"
)


@pytest.mark.parametrize(
    ("kept", "importer", "said"),
    [
        ("print(llm.generate('a'))", "from ray.actors import Actor\n", False),
        ("json.dump(llm.generate('a'), file)", "from ray.actors import Actor\n", True),
        ("llm.collective_rpc('update_weight')", "from ray.actors import Actor\n", True),
        ("print(llm.generate('a'))", "from ray.actor import Actor\n", True),
    ],
)
def test_a_trial_at_the_end_of_a_module_is_no_training(
    tmp_path: Path, kept: str, importer: str, *, said: bool
) -> None:
    source = TRIED.format(kept=kept)
    facts = read(source.encode(), "actors.py", "0.32.0")
    around = project(tmp_path, "train.py", importer)
    assert bool(list(by_code("VM703").find(facts, around))) is said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("logprobs=1", False),
        ("logprobs=1, temperature=1.0, top_p=1", False),
        ("logprobs=1, temperature=0.7", True),
        ("logprobs=1, top_p=0.9", True),
        ("logprobs=1, repetition_penalty=1.1", True),
        ("logprobs=1, **more", True),
    ],
)
def test_at_temperature_one_with_nothing_cut_both_logprobs_are_the_same(asked: str, *, said: bool) -> None:
    source = (
        f"{HEAD}def score(prompts, more):\n    llm = LLM('m')\n"
        f"    outputs = llm.generate(prompts, SamplingParams({asked}))\n"
        "    return [output.outputs[0].logprobs for output in outputs]\n"
    )
    use = replace(RL, reads_logprobs=True, takes_logprobs=True)
    assert bool(find(by_code("VM701"), source, "eval/score.py", use=use)) is said


JUDGE = (
    f"{HEAD}class Judge:\n    def __init__(self):\n        self.params = SamplingParams({{params}})\n"
    "        self.llm = LLM('m')\n\n    def score(self, prompts):\n{more}"
    "        return self.llm.generate(prompts, self.params)\n"
)


@pytest.mark.parametrize(
    ("params", "more", "said"),
    [
        ("temperature=0", "", {"VM703": False, "VM705": False}),
        ("temperature=0.7, seed=1", "", {"VM703": True, "VM705": False}),
        ("temperature=0.7", "", {"VM703": True, "VM705": True}),
        ("temperature=0", "        self.params.temperature = 1\n", {"VM703": True, "VM705": True}),
        ("temperature=0", "        self.params = other\n", {"VM703": True, "VM705": True}),
    ],
)
def test_a_judge_that_decodes_greedily_draws_nothing(params: str, more: str, said: dict[str, bool]) -> None:
    text = JUDGE.format(params=params, more=more)
    assert {code: bool(find(by_code(code), text, use=RL)) for code in said} == said


@pytest.mark.parametrize(
    ("asked", "none"),
    [
        ("temperature=0.7", True),
        ("temperature=0.7, logprobs=0", False),
        ("temperature=0.7, **more", False),
    ],
)
def test_sums_that_nobody_asked_for_are_none(asked: str, *, none: bool) -> None:
    source = (
        f"{HEAD}def score(prompts, more):\n    llm = LLM('m')\n"
        f"    outputs = llm.generate(prompts, SamplingParams({asked}))\n"
        "    return [output.outputs[0].cumulative_logprob / 2 for output in outputs]\n"
    )
    use = Use(reads_logprobs=True, takes_logprobs=True)
    (finding,) = find(by_code("VM701"), source, "score.py", use=use)
    assert "it is None then" not in str(find(by_code("VM701"), source, "tests/test_score.py", use=use))
    assert ("it is None then" in finding.message) is none
    assert finding.level is (Level.WARNING if none else Level.NOTE)


SCRIPT = (
    "from vllm import LLM\n\n\nclass Search: ...\n\n\ndef draw(prompts):\n    llm = LLM('m')\n"
    "    return Search(llm, prompts)\n\n\ndef main():\n    print(draw([]))\n{more}\n\n"
    "if __name__ == '__main__':\n    main()\n"
)


@pytest.mark.parametrize(
    ("more", "importer", "said"),
    [
        ("", "from trainer.search import Search\n", False),
        ("", "from trainer.search import draw\n", True),
        ("", "from trainer.search import main\n", True),
        ("", "from other import Search\n", True),  # a program of its own
        ("    write(1)\n", "from trainer.search import Search\n", True),
        ("\n\nall = [main]\n", "from trainer.search import Search\n", True),
    ],
)
def test_what_only_a_modules_main_block_runs_is_a_trial(
    tmp_path: Path, more: str, importer: str, *, said: bool
) -> None:
    facts = read(SCRIPT.format(more=more).encode(), "trainer/search.py", "0.32.0")
    around = project(tmp_path, "a.py", importer)
    assert bool(list(by_code("VM703").find(facts, around))) is said


@pytest.mark.parametrize(
    ("more", "said"),
    [("", False), ("    write(1)\n", False), ("    push_weights(load_weights)\n", True)],
)
def test_a_scripts_engine_keeps_its_weights(tmp_path: Path, more: str, *, said: bool) -> None:
    facts = read(SCRIPT.format(more=more).encode(), "trainer/search.py", "0.32.0")
    around = project(tmp_path, "a.py", "pass\n")
    assert bool(list(by_code("VM702").find(facts, around))) is said


COPIES = (
    "import vllm\n\n\ndef load(state, llm: vllm.LLM):\n"
    "    model = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
    "    model.get_parameter('lm_head.weight').{}(state['lm_head.weight'])\n"
)
WALKS = (
    "from vllm import LLM\n\n\ndef build():\n    llm = LLM('m')\n"
    "    m = llm.llm_engine.model_executor.driver_worker.model_runner.model\n"
    "    m.requires_grad_(False)\n    return llm\n"
)


@pytest.mark.parametrize(("method", "syncs"), [("copy_", True), ("to", False)])
def test_parameters_that_are_written_one_by_one_are_an_update(
    tmp_path: Path, method: str, *, syncs: bool
) -> None:
    use = read(COPIES.format(method).encode(), "utils.py", "0.32.0").use
    assert use.syncs_weights is syncs
    around = replace(project(tmp_path, "utils.py", COPIES.format(method)), project=use)
    said = list(by_code("VM702").find(read(WALKS.encode(), "tasks/math.py", "0.32.0"), around))
    assert bool(said) is syncs


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        ("train.py", "from actors.engine import build\nold = build().logprobs\n", True),
        ("train.py", "from actors.engine import build\nold = score(build())\n", False),
        ("judge.py", "old = api.choices[0].logprobs\n", False),
        ("actors/parts.py", "def part(output):\n    return output.logprobs\n", False),
    ],
)
def test_log_probabilities_of_another_engine_are_not_this_ones(
    tmp_path: Path, name: str, other: str, *, said: bool
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    use = replace(RL, reads_logprobs=True, takes_logprobs=True)
    around = replace(project(tmp_path, name, other), project=use)
    assert bool(list(by_code("VM701").find(read(ESCAPES, "actors/engine.py", "0.32.0"), around))) is said
    around = replace(project(tmp_path, name, other), project=use)
    parts = b"from .parts import part\n" + ESCAPES
    found = list(by_code("VM701").find(read(parts, "actors/engine.py", "0.32.0"), around))
    assert bool(found) is (said or name == "actors/parts.py")
