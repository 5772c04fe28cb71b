from __future__ import annotations

import shutil
import subprocess
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import UNRESOLVED, Certainty, Form
from vllm_migrate.files.shell import read_shell

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts


def read(text: str) -> FileFacts:
    return read_shell(PurePosixPath("run.sh"), text.encode())


def flags(text: str) -> dict[str, object]:
    return {found.name: found.value.literal for found in read(text).arguments if found.form is Form.FLAG}


def without(facts: FileFacts, span: object) -> str:
    source = facts.source
    return (source[: span.start] + source[span.end :]).decode()


@pytest.mark.parametrize(
    "server",
    [
        "vllm serve model",
        "/opt/bin/vllm serve model",
        "CUDA_VISIBLE_DEVICES=0 nohup vllm serve model",
        "python -m vllm.entrypoints.openai.api_server --model m",
        "python3 -u -m vllm.entrypoints.api_server",
        "trl vllm-serve --model m",
        "docker run --gpus all vllm/vllm-openai:v0.8.5",
        "srun --nodes=1 vllm serve model",
    ],
)
def test_flags_of_every_server(server: str) -> None:
    assert flags(f"{server} --swap-space 4\n")["swap_space"] == "4"


def test_flags_of_other_programs_are_left_alone() -> None:
    assert read("python train.py --seed 4\nvllm bench --swap-space 4\n").arguments == ()


def test_flags_across_continuations_and_quotes() -> None:
    text = (
        'vllm serve "my model" \\\n    --swap-space "4" \\\n'
        "    --enforce-eager --port=8000 \\\n    --seed $SEED\n"
    )
    assert flags(text) == {"swap_space": "4", "enforce_eager": True, "port": "8000", "seed": UNRESOLVED}


def test_bare_flags_do_not_eat_what_follows() -> None:
    facts = read("vllm serve --disable-log-requests model --no-enable-prefix-caching\n")
    assert [facts.text(found.span) for found in facts.arguments] == [
        "--disable-log-requests",
        "--no-enable-prefix-caching",
    ]
    assert facts.arguments[1].name == "enable_prefix_caching"
    assert facts.arguments[1].value.literal is False


def test_flags_that_take_many_words() -> None:
    facts = read("vllm serve m --lora-modules a=1 b=2 --port 1\n")
    assert facts.text(facts.arguments[0].span) == "--lora-modules a=1 b=2"


def test_flags_held_in_an_array_or_a_string() -> None:
    text = (
        'ARGS=(\n  --swap-space 4  # gigabytes\n  --port 1\n)\nMORE="--num-scheduler-steps 8"\n'
        'vllm serve m "${ARGS[@]}" $MORE\n'
    )
    assert flags(text) == {"swap_space": "4", "port": "1", "num_scheduler_steps": "8"}


def test_an_array_of_another_program_is_no_server_s() -> None:
    assert flags('ARGS=(--swap-space 4)\nother "${ARGS[@]}"\n') == {}


def test_flags_inside_an_expansion_are_guesses() -> None:
    facts = read("vllm serve m ${SWAP:+--swap-space $SWAP}\n")
    assert [(found.name, found.certainty) for found in facts.arguments] == [("swap_space", Certainty.GUESS)]


def test_trl_s_own_arguments() -> None:
    facts = read("trl grpo --vllm_device auto\n")
    assert (facts.arguments[0].owner, facts.arguments[0].name) == ("trl.GRPOConfig", "vllm_device")
    assert facts.use.trains


def test_overrides_of_verl() -> None:
    facts = read(
        "python -m verl.trainer.main_ppo \\\n  actor_rollout_ref.rollout.name=vllm \\\n"
        "  +actor_rollout_ref.rollout.engine_kwargs.vllm.swap_space=4 \\\n  trainer.n_gpus=8\n"
    )
    assert [(found.name, found.certainty) for found in facts.arguments] == [
        ("name", Certainty.LIKELY),
        ("swap_space", Certainty.CERTAIN),
    ]
    assert facts.text(facts.arguments[1].span) == "+actor_rollout_ref.rollout.engine_kwargs.vllm.swap_space=4"
    assert facts.text(facts.arguments[1].value_span) == "4"
    assert facts.use.trains


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nexport VLLM_USE_V1=0\nb\n", "a\nb\n"),
        ("export VLLM_USE_V1=0 # V0 please\nb\n", "b\n"),
        ("export VLLM_USE_V1=0", ""),
        ("a\nexport VLLM_USE_V1=0", "a"),
        ("export A=1 VLLM_USE_V1=0 B=2\n", "export A=1 B=2\n"),
        ("export VLLM_USE_V1=0 B=2\n", "export B=2\n"),
        ("VLLM_USE_V1=0 python train.py\n", "python train.py\n"),
        ("VLLM_USE_V1=0 \\\n  python train.py\n", "python train.py\n"),
        ("A=1 VLLM_USE_V1=0 python train.py\n", "A=1 python train.py\n"),
        ("env VLLM_USE_V1=0 python train.py\n", "env python train.py\n"),
        ("export VLLM_USE_V1=0; python train.py\n", "python train.py\n"),
        ("export VLLM_USE_V1=0 && python train.py\n", "python train.py\n"),
        ("cd x; export VLLM_USE_V1=0; python train.py\n", "cd x; python train.py\n"),
        ("if true; then\n  export VLLM_USE_V1=0\n  echo\nfi\n", "if true; then\n  echo\nfi\n"),
        ("unset VLLM_USE_V1\nb\n", "b\n"),
        ("docker run -e VLLM_USE_V1=0 image\n", "docker run image\n"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_variable_goes_and_leaves_a_valid_script(before: str, after: str, newline: str) -> None:
    facts = read(before.replace("\n", newline))
    found = next(v for v in facts.variables if v.name == "VLLM_USE_V1")
    assert found.removable
    assert without(facts, found.span) == after.replace("\n", newline)


@pytest.mark.parametrize(
    "text",
    [
        "true && export VLLM_USE_V1=0\n",
        "export VLLM_USE_V1=0 || exit 1\n",
        "( export VLLM_USE_V1=0 )\n",
        "export VLLM_USE_V1=0\necho $VLLM_USE_V1\n",
        'ray job submit --runtime-env-json=\'{"env_vars": {"VLLM_USE_V1": "0"}}\' -- python x.py\n',
    ],
)
def test_a_variable_that_can_t_simply_go(text: str) -> None:
    found = next(v for v in read(text).variables if v.name == "VLLM_USE_V1" and v.action == "set")
    assert not found.removable


def test_the_only_command_of_a_block_is_named_without_its_line() -> None:
    facts = read("if true; then\n  export VLLM_USE_V1=0\nfi\n")
    assert facts.text(facts.variables[0].span) == "export VLLM_USE_V1=0"


def test_reads_and_defaults() -> None:
    facts = read("echo \"$VLLM_USE_V1\" ${VLLM_ATTENTION_BACKEND:-XFORMERS} '$VLLM_PORT'\n")
    assert {(v.name, v.action) for v in facts.variables} == {
        ("VLLM_USE_V1", "read"),
        ("VLLM_ATTENTION_BACKEND", "default"),
    }


def test_heredocs_comments_and_strings_are_not_code() -> None:
    text = (
        "# export VLLM_USE_V1=0\ncat <<EOF > x\nexport VLLM_USE_V1=0\nvllm serve m --swap-space 4\nEOF\n"
        "cat <<-'END'\n\tVLLM_USE_V1=0 x\n\tEND\n"
        "echo 'vllm serve m --swap-space 4'\necho \"it's # no comment\"\n"
    )
    facts = read(text)
    assert facts.variables == ()
    assert facts.arguments == ()


@pytest.mark.parametrize(
    ("command", "package", "specifier", "extras"),
    [
        ("pip install vllm==0.8.5", "vllm", "==0.8.5", ()),
        ('pip3 install -U "vllm[audio]>=0.8,<0.9"', "vllm", ">=0.8,<0.9", ("audio",)),
        ("uv pip install vllm", "vllm", "", ()),
        ("python -m pip install 'trl==0.14.0'", "trl", "==0.14.0", ()),
        ("uv add vllm==0.8.5", "vllm", "==0.8.5", ()),
    ],
)
def test_pins(command: str, package: str, specifier: str, extras: tuple[str, ...]) -> None:
    facts = read(f"{command} && echo\n")
    assert [(p.package, p.specifier, p.extras) for p in facts.pins] == [(package, specifier, extras)]
    assert facts.text(facts.pins[0].specifier_span) == specifier


@pytest.mark.parametrize("text", ['echo "open\n', "echo 'open\n", "x=$(echo\n", "if true; then\nfi\n"])
def test_what_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


def test_null_bytes_and_utf_16_are_refused() -> None:
    for source in (b"vllm\0", "vllm serve".encode("utf-16")):
        with pytest.raises(InputError):
            read_shell(PurePosixPath("x.sh"), source)


def test_offsets_are_bytes_whatever_the_encoding() -> None:
    for encoding in ("utf-8", "latin-1"):
        facts = read_shell(PurePosixPath("x.sh"), "echo é\nexport VLLM_USE_V1=0\n".encode(encoding))
        assert facts.source[facts.variables[0].span.start :] == b"export VLLM_USE_V1=0\n"


def test_a_comment_above_a_continued_command_covers_all_of_it() -> None:
    facts = read("# vllm-migrate: ignore[VM201] for the old cluster\nvllm serve m \\\n  --swap-space 4\n")
    assert facts.suppressions[3] == ("VM201",)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash to judge scripts")
@pytest.mark.parametrize(
    "text",
    [
        "for i in 1 2; do VLLM_USE_V1=0 vllm serve m --swap-space $i; done\n",
        'case "$1" in\n  --swap-space) X="$2"; shift ;;\n  *) VLLM_USE_V1=0 ;;\nesac\n',
        "f() {\n  export VLLM_USE_V1=0\n}\nf\n",
        "x=$(( 1 + (2 * 3) )); [[ $x -gt 2 && -n ${A#*/} ]] && VLLM_USE_V1=0 true\n",
        'while read -r line; do\n  export VLLM_USE_V1=0\ndone < <(echo "a")\n',
        "A=`echo hi` VLLM_USE_V1=0 true 2>&1 | cat > /dev/null\n",
        "if true; then export VLLM_USE_V1=0; fi\n",
    ],
)
def test_every_removal_is_valid_for_bash(text: str) -> None:
    facts = read(text)
    removable = [v for v in facts.variables if v.removable and v.name == "VLLM_USE_V1"]
    for found in removable:
        rest = facts.source[found.span.end :]
        filler = (
            b":"
            if facts.text(found.span).startswith("export") and not facts.text(found.span).endswith("\n")
            else b""
        )
        edited = facts.source[: found.span.start] + filler + rest
        done = subprocess.run(["bash", "-n"], input=edited, capture_output=True, check=False)  # noqa: S607 - bash, found
        assert done.returncode == 0, (edited, done.stderr)


def test_a_setting_that_defaults_to_itself_is_one_setting() -> None:
    found = read("export VLLM_USE_V1=${VLLM_USE_V1:-0}\necho $VLLM_LOGGING_LEVEL\n").variables
    assert [(v.name, v.action) for v in found] == [("VLLM_USE_V1", "set"), ("VLLM_LOGGING_LEVEL", "read")]


def test_flags_of_a_program_are_guessed_where_only_vllm_has_such() -> None:
    text = "python3 evaluate.py --swap-space 0 --prompts $P --use-v2-block-manager --dtype bfloat16\n"
    found = read(text).arguments
    assert [(a.name, a.value.literal, a.certainty) for a in found] == [
        ("swap_space", "0", Certainty.GUESS),
        ("use_v2_block_manager", True, Certainty.GUESS),
    ]
    assert not read("./mkswap --swap-space 4\n").arguments
