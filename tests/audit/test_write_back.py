from __future__ import annotations

import json
import subprocess
import textwrap

import pytest

from vllm_migrate.audit.code.from_code import read_code
from vllm_migrate.audit.code.write_back import lines_of, plan_write_back, write
from vllm_migrate.errors import InputError, UncommittedError, UsageError

V1 = "v1@0.32.0"
FOUND = {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": False}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return make


def changed(made):
    return {str(plan.path): plan.after.decode() for plan in made.plans}


def test_keywords_are_added_at_the_call_and_a_second_run_adds_none(project):
    project({"train.py": 'from vllm import LLM\n\nllm = LLM(\n    "m",\n    seed=1,\n)\n'})
    made = plan_write_back(["train.py"], FOUND, V1)
    assert changed(made) == {
        "train.py": (
            'from vllm import LLM\n\nllm = LLM(\n    "m",\n    seed=1,\n'
            '    logprobs_mode="processed_logprobs",\n    enable_prefix_caching=False,\n)\n'
        )
    }
    assert b'+    logprobs_mode="processed_logprobs",\n' in made.diff
    write(made, allow_dirty=False)
    again = plan_write_back(["train.py"], FOUND, V1)
    assert again.plans == ()
    assert again.present == tuple(FOUND)


def test_what_somebody_wrote_is_told_and_never_overwritten(project):
    project(
        {
            "train.py": """\
            from vllm import LLM
            CACHE = True
            llm = LLM("m", enable_prefix_caching=CACHE, logprobs_mode=mode())
            """
        }
    )
    made = plan_write_back(["train.py"], FOUND, V1)
    assert made.plans == ()
    assert any(line.startswith("logprobs_mode=mode() was written at train.py:3") for line in made.kept)
    assert any("enable_prefix_caching=True was written at train.py:2" in line for line in made.kept)
    assert all(line.startswith("not overwritten: ") for line in lines_of(made))


YAML = """\
# the engine
engine:
  seed: 1
  nested: {a: 1}

# the rest
train:
  steps: 2
"""


def test_settings_loaded_from_yaml_get_a_key_there(project):
    project(
        {
            "train.py": """\
            import yaml
            from vllm import LLM
            with open("conf/run.yaml") as file:
                cfg = yaml.safe_load(file)
            llm = LLM("m", **cfg["engine"])
            """,
            "conf/run.yaml": YAML.replace("  nested: {a: 1}\n", ""),
        }
    )
    made = plan_write_back(["train.py"], FOUND, V1)
    assert changed(made) == {
        "conf/run.yaml": (
            "# the engine\nengine:\n  seed: 1\n  logprobs_mode: processed_logprobs\n"
            "  enable_prefix_caching: false\n\n# the rest\ntrain:\n  steps: 2\n"
        )
    }
    assert made.manual == ()
    write(made, allow_dirty=True)
    assert plan_write_back(["train.py"], FOUND, V1).plans == ()


def test_a_flow_mapping_gets_its_key_inside_the_braces(project):
    project(
        {
            "train.py": """\
            import yaml
            from vllm import LLM
            cfg = yaml.safe_load(open("run.yaml"))
            llm = LLM("m", **cfg["engine"])
            """,
            "run.yaml": "engine: {seed: 1}  # one\n",
        }
    )
    made = plan_write_back(["train.py"], {"logprobs_mode": "processed_logprobs"}, V1)
    assert changed(made) == {"run.yaml": "engine: {seed: 1, logprobs_mode: processed_logprobs}  # one\n"}


def test_windows_line_ends_and_a_missing_last_one(project, tmp_path):
    project({"train.py": "import yaml\nfrom vllm import LLM\nLLM('m', **yaml.safe_load(open('e.yaml')))\n"})
    (tmp_path / "e.yaml").write_bytes(b"seed: 1\r\ndtype: auto")
    made = plan_write_back(["train.py"], {"logprobs_mode": "processed_logprobs"}, V1)
    assert made.plans[0].after == b"seed: 1\r\ndtype: auto\r\nlogprobs_mode: processed_logprobs"


def test_a_dictionary_of_the_functions_own_gets_a_default(project):
    project(
        {
            "train.py": """\
            from vllm import LLM

            def build(**options):
                return LLM("m", **options)
            """
        }
    )
    made = plan_write_back(["train.py"], {"logprobs_mode": "processed_logprobs"}, V1)
    assert (
        '    options.setdefault("logprobs_mode", "processed_logprobs")\n    return LLM("m", **options)\n'
        in changed(made)["train.py"]
    )


def test_what_can_not_be_followed_is_left_to_a_person(project):
    project({"train.py": "from vllm import LLM\nfrom elsewhere import options\nLLM('m', **options)\n"})
    made = plan_write_back(["train.py"], FOUND, V1)
    assert made.plans == ()
    assert made.manual[0] == (
        'logprobs_mode="processed_logprobs": add it to the engine\'s settings of train.py:3 by hand'
    )


def test_servers_get_flags(project):
    project({"serve.sh": "#!/bin/sh\nvllm serve m --seed 1 \\\n  --port 8000\n"})
    made = plan_write_back(["serve.sh"], FOUND, V1)
    assert changed(made) == {
        "serve.sh": (
            "#!/bin/sh\nvllm serve --logprobs-mode processed_logprobs --no-enable-prefix-caching m"
            " --seed 1 \\\n"
            "  --port 8000\n"
        )
    }


def test_engine_settings_of_a_yaml_file_alone(project):
    project({"verl.yaml": "rollout:\n  name: vllm\n  engine_kwargs:\n    vllm:\n      seed: 1\n"})
    made = plan_write_back(["verl.yaml"], {"logprobs_mode": "processed_logprobs"}, V1)
    assert changed(made) == {
        "verl.yaml": (
            "rollout:\n  name: vllm\n  engine_kwargs:\n    vllm:\n      seed: 1\n"
            "      logprobs_mode: processed_logprobs\n"
        )
    }


def test_trl_configurations_have_no_such_field(project):
    project({"train.py": "from trl import GRPOConfig\nGRPOConfig('out', use_vllm=True)\n"})
    made = plan_write_back(["train.py"], {"async_scheduling": False}, V1)
    assert made.plans == ()
    assert "GRPOConfig has no such field" in made.manual[0]


def test_what_has_a_field_of_trl_is_written_by_that_name(project):
    project({"train.py": "from trl import GRPOConfig\nGRPOConfig('out', use_vllm=True)\n"})
    made = plan_write_back(["train.py"], {"max_model_len": 512, "dtype": "float32"}, V1)
    assert changed(made) == {
        "train.py": (
            "from trl import GRPOConfig\nGRPOConfig('out', use_vllm=True, vllm_max_model_length=512)\n"
        )
    }
    assert made.manual[0].startswith("dtype='float32': GRPOConfig has no such field")  # gone since TRL 0.19
    project(
        {"train.py": "from trl import GRPOConfig\nfrom x import o\nGRPOConfig('o', use_vllm=True, **o)\n"}
    )
    made = plan_write_back(["train.py"], {"max_model_len": 512}, V1)
    assert made.plans == ()
    assert made.manual[0].startswith("vllm_max_model_length=512: add it to the engine's settings")


COMPOSE = "services:\n  vllm:\n    image: vllm/vllm-openai:v0.8.5\n    command: "
TWO = "--logprobs-mode=processed_logprobs", "--no-enable-prefix-caching"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--model m --seed 1\n", f"{TWO[0]} {TWO[1]} --model m --seed 1\n"),
        ('"--model m --seed 1"\n', f'"{TWO[0]} {TWO[1]} --model m --seed 1"\n'),
        ("vllm serve m --seed 1\n", f"vllm serve m {TWO[0]} {TWO[1]} --seed 1\n"),
        (">\n      --model m\n      --seed 1\n", f">\n      {TWO[0]} {TWO[1]} --model m\n      --seed 1\n"),
        ('["--model", "m"]\n', f'["{TWO[0]}", "{TWO[1]}", "--model", "m"]\n'),
        ("['--seed', '1']\n", f"['{TWO[0]}', '{TWO[1]}', '--seed', '1']\n"),
        (
            "\n      # the model\n      - --model\n      - m\n      - --seed=1\n",
            (
                f"\n      # the model\n      - {TWO[0]}\n      - {TWO[1]}\n      - --model\n      - m\n"
                "      - --seed=1\n"
            ),
        ),
        (
            "\r\n      - vllm\r\n      - serve\r\n      - m\r\n      - --seed=1\r\n",
            (
                "\r\n      - vllm\r\n      - serve\r\n      - m\r\n"
                f"      - {TWO[0]}\r\n      - {TWO[1]}\r\n      - --seed=1\r\n"
            ),
        ),
    ],
)
def test_servers_of_a_compose_file_get_flags_as_their_words_are_written(tmp_path, monkeypatch, before, after):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_bytes(f"{COMPOSE}{before}".encode())
    made = plan_write_back(["compose.yaml"], FOUND, V1)
    assert [plan.after.decode() for plan in made.plans] == [f"{COMPOSE}{after}"]
    assert made.manual == ()
    write(made, allow_dirty=True)
    assert plan_write_back(["compose.yaml"], FOUND, V1).present == tuple(FOUND)


def test_a_flag_that_needs_quotes_is_left_to_a_person(project):
    project({"compose.yaml": f"{COMPOSE}--model m --seed 1\n"})
    made = plan_write_back(["compose.yaml"], {"hf_overrides": {"head_dtype": "float32"}}, V1)
    assert made.plans == ()
    assert "--hf-overrides" in made.manual[0]
    assert "compose.yaml:4 by hand" in made.manual[0]


def test_the_ordinal_finds_a_construction_whose_line_has_moved(project):
    project({"train.py": "from vllm import LLM\na = LLM('m', seed=1)\n\n\nb = LLM('m', seed=2)\n"})
    made = plan_write_back(["train.py:2"], {"logprobs_mode": "processed_logprobs"}, V1, ordinal=1)
    assert changed(made)["train.py"].endswith("b = LLM('m', seed=2, logprobs_mode=\"processed_logprobs\")\n")


def test_uncommitted_work_and_files_that_changed_meanwhile_stay(project, tmp_path):
    project({"train.py": "from vllm import LLM\nLLM('m')\n"})
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)  # noqa: S607 - the git of the machine
    made = plan_write_back(["train.py"], FOUND, V1)
    with pytest.raises(UncommittedError):
        write(made, allow_dirty=False)
    (tmp_path / "train.py").write_text("something else\n")
    with pytest.raises(InputError, match="changed while"):
        write(made, allow_dirty=True)
    assert (tmp_path / "train.py").read_text() == "something else\n"


def notebook(*cells):
    """A notebook with a line of text in front, its code as Jupyter writes it."""
    written = [{"cell_type": "markdown", "metadata": {}, "source": ["vLLM"]}]
    for cell in cells:
        lines = textwrap.dedent(cell).splitlines(keepends=True)
        written.append(
            {"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [], "source": lines}
        )
    return json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_a_notebooks_call_gets_keywords_and_nothing_else_of_it_changes(project):
    before = notebook(
        "%pip install vllm\nfrom vllm import LLM\nSEED = 3",
        "def build(seed):\n    return LLM('m', seed=seed)  # héllo\n",
        "build(SEED)",
    )
    project({"run.ipynb": before})
    taken = read_code(["run.ipynb"], V1)
    assert {one.name: one.value for one in taken.settings if one.part == "engine"}["seed"] == 3
    made = plan_write_back(["run.ipynb"], FOUND, V1)
    added = r", logprobs_mode=\"processed_logprobs\", enable_prefix_caching=False"
    assert changed(made) == {"run.ipynb": before.replace("seed=seed)", f"seed=seed{added})")}
    assert made.manual == ()
    write(made, allow_dirty=True)
    assert plan_write_back(["run.ipynb"], FOUND, V1).present == tuple(FOUND)


def test_a_dictionary_of_a_notebook_and_settings_beside_it(project):
    project(
        {
            "run.ipynb": notebook(
                "import yaml\nfrom vllm import LLM\ncfg = yaml.safe_load(open('e.yaml'))", "LLM('m', **cfg)"
            ),
            "e.yaml": "seed: 1\n",
        }
    )
    made = plan_write_back(["run.ipynb", "e.yaml"], {"async_scheduling": False}, V1)
    assert changed(made) == {"e.yaml": "seed: 1\nasync_scheduling: false\n"}


def test_a_notebook_that_trains_nothing_is_no_place_and_its_json_no_code(project):
    project({"notes.ipynb": notebook("import vllm\nprint(vllm.__version__)")})
    with pytest.raises(UsageError, match="constructs no vLLM engine"):
        plan_write_back(["notes.ipynb"], FOUND, V1)
