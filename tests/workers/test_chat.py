"""Conversations rendered by a real tokenizer, in the engine's own environment."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from vllm_migrate.engines import registry

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role != 'tool' or tools %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
SCRIPT = """
import importlib, importlib.util, json, sys
from pathlib import Path
here = Path(sys.argv[1])
inside = [str(here)]
spec = importlib.util.spec_from_file_location("_w", here / "__init__.py", submodule_search_locations=inside)
package = importlib.util.module_from_spec(spec)
sys.modules["_w"] = package
spec.loader.exec_module(package)
from transformers import AutoTokenizer
render = importlib.import_module("_w.chat").render
WorkerError = importlib.import_module("_w.backend").WorkerError
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2], local_files_only=True)
answers = []
for chats in json.loads(sys.stdin.read()):
    try:
        answers.append(render(tokenizer, chats))
    except WorkerError as error:
        answers.append([error.kind, error.message])
answers.append(["plain", [tokenizer(answers[0][0][0], add_special_tokens=False)["input_ids"]]])
print(json.dumps(answers))
"""
USER = {"role": "user", "content": " 1+1? "}
TOOL = {"role": "tool", "content": '{"sum": 2}'}


def chat(*messages, **arguments):
    return [{"messages": list(messages), "arguments": arguments}]


@pytest.mark.parametrize("engine", ["v0", "v1"])
def test_what_a_template_makes_of_conversations(tmp_path, engine):
    environment = registry.require(engine)
    shutil.copytree(
        ROOT / "fixtures" / "model", tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors")
    )
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "chat_template": TEMPLATE}))
    asked = [
        chat(USER),
        chat(USER, {"role": "assistant", "content": "It is"}),
        chat(USER, TOOL, tools=[{"type": "function", "function": {"name": "add"}}]),
        chat(USER, TOOL),
    ]
    done = subprocess.run(
        [environment.python, "-c", SCRIPT, ROOT / "vllm_migrate" / "workers", tmp_path / "model"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fresh, going_on, with_tool, dropped, plain = json.loads(done.stdout.splitlines()[-1])
    assert fresh[0] == ["<user>1+1?</user><assistant>"]
    assert fresh[1] == plain[1]
    assert going_on[0] == ["<user>1+1?</user><assistant>It is"]
    assert with_tool[0] == ['<user>1+1?</user><tool>{"sum": 2}</tool><assistant>']
    assert dropped == ["input", "the chat template drops message 1 (role tool) of conversation 0"]
