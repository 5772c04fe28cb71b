"""VM701: rollout log-probabilities of the raw distribution."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from vllm_migrate.edits.model import Level, ReplaceText, Safety
from vllm_migrate.facts.model import Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.engines import answers_requests, built, is_rl
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.silent.apart import is_apart, is_tried_out
from vllm_migrate.rules.silent.asked_servers import are_asked_for_logprobs
from vllm_migrate.rules.silent.defaults import add, calls_with, default_change, is_passed_on, setting
from vllm_migrate.rules.silent.drawn_from import ask_others, asks_at_one, draws_nothing, min_p_and_top_p
from vllm_migrate.rules.silent.fed import are_read_near, feeds_training, is_test
from vllm_migrate.rules.silent.held import held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.facts.model import Change
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Call
    from vllm_migrate.rules.base import Context
    from vllm_migrate.rules.silent.held import Held

_TRAINER = (
    "    outputs = llm.generate(prompts, SamplingParams(temperature=0.7, logprobs=1))\n"
    "    old = [step for output in outputs for step in output.outputs[0].logprobs]\n"
    "    loss = policy(old)\n    loss.backward()\n    optimizer.step()\n"
)
_HEAD = "from vllm import LLM, SamplingParams\n\n\ndef train(policy, optimizer, prompts):\n"
_KWARGS = _HEAD.replace("prompts)", "prompts, **options)")
_COLLECTOR = "import json\nfrom vllm import LLM, SamplingParams\n\n\ndef collect(prompts, file):\n"
_KEEP = (
    "    for output in llm.generate(prompts, SamplingParams(temperature=0.7, logprobs=0)):\n"
    "        ids = list(output.outputs[0].token_ids)\n"
    "        chosen = [step[i].logprob for step, i in zip(output.outputs[0].logprobs, ids)]\n"
    '        file.write(json.dumps({"token_ids": ids, "logprobs": chosen}))\n'
)
_SCORES = (
    "    for output in llm.generate(prompts, SamplingParams(temperature=0.0, logprobs=5)):\n"
    '        file.write(json.dumps({"choices": list(output.outputs[0].logprobs[0])}))\n'
)
_SUMS = (
    "    for output in llm.generate(prompts, SamplingParams(temperature=0.7)):\n"
    "        file.write(str(output.outputs[0].cumulative_logprob / 9))\n"
)
_ASKS = re.compile(rb"\.(?:cumulative_logprob|logprobs)\b|\blogprobs\s*=\s*\d")
_MOST_HEIRS = 20
_TEXTS = re.compile(rb"\.outputs\[\w+\]\.(?:text|token_ids)\b")
_OFF = "enable_prefix_caching=False, async_scheduling=False, seed=1"


class RawLogprobs(Rule):
    """A trainer reads rollout log-probabilities, and the engine was not told which ones it wants.

    ## What it does
    Adds `logprobs_mode="processed_logprobs"` where an engine is built in a project that trains on the
    log-probabilities of its rollouts, so that V1 returns what V0 returned: those of the distribution the
    tokens were drawn from. Where such a project starts a server in a shell script, the server gets
    `--logprobs-mode processed_logprobs`. Where a file reads `cumulative_logprob` and asks for no
    log-probabilities, as V0 once allowed, it says that there is none.

    ## Why it matters
    V1 returns log-probabilities before temperature, penalties, top-k and top-p. The importance ratio is
    then wrong on every token from the first step on, clipping sets in where the policy hasn't moved, and
    nothing raises. At temperature 1 without truncation and penalties both are the same, and so they are at
    temperature 0 without penalties: a file that samples only so, and trains nothing, is not reported, and
    neither is an engine of whose outputs the file takes texts and tokens alone, one that is only tried at
    the end of a module that others import, or one whose file neither reads log-probabilities nor leads to
    code that does: what imports it, or what it imports.

    ## Fix safety
    Safe where the argument was not written and rollout log-probabilities are used for training. Unsafe for
    a server, which others may ask too, and where min_p and top_p are used together: V1 applies them in
    another order. A value that somebody wrote is reported, never overwritten. In code that doesn't train
    this is a note, and left alone but for code that collects rollouts: where samples are written to a file
    with their tokens and log-probabilities, for a trainer elsewhere, the edit is offered as unsafe. So it is
    for an asynchronous engine whose weights nobody changes, which answers requests.
    """

    code = "VM701"
    name = "raw-logprobs"
    summary = "rollout log-probabilities are those of the raw distribution"
    level = Level.WARNING
    safety = Safety.SAFE
    kinds = (FileKind.PYTHON, FileKind.SHELL)
    examples = (
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_OFF})\n{_TRAINER}',
            after=f'{_HEAD}    llm = LLM("m", {_OFF}, logprobs_mode="processed_logprobs")\n{_TRAINER}',
        ),
        Example(before=f'{_HEAD}    llm = LLM("m", {_OFF}, logprobs_mode="raw_logprobs")\n{_TRAINER}'),
        Example(
            before=f'{_KWARGS}    llm = LLM("m", {_OFF}, **options)\n{_TRAINER}',
            after=(
                f'{_KWARGS}    options.setdefault("logprobs_mode", "processed_logprobs")\n'
                f'    llm = LLM("m", {_OFF}, **options)\n{_TRAINER}'
            ),
        ),
        Example(
            before=f'{_COLLECTOR}    llm = LLM("m")\n{_KEEP}',
            after=f'{_COLLECTOR}    llm = LLM("m", logprobs_mode="processed_logprobs")\n{_KEEP}',
            unsafe=True,
        ),
        Example(before=f'{_COLLECTOR}    llm = LLM("m")\n{_SCORES.replace("0.0", "0.7")}'),
        Example(before=f'{_COLLECTOR}    llm = LLM("m")\n{_SCORES}', unchanged=True),
        Example(
            before=f'{_COLLECTOR}    llm = LLM("m")\n{_SCORES.replace("0.0", "1.0, top_p=1")}',
            unchanged=True,
        ),
        Example(before=f'{_COLLECTOR}    llm = LLM("m")\n{_SUMS}'),
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_OFF}, logprobs_mode="processed_logprobs")\n{_TRAINER}',
            unchanged=True,
        ),
        Example(
            before=f'{_HEAD}    llm = LLM("m", {_OFF})\n{_TRAINER}',
            unchanged=True,
            source="v1@0.12.0",
        ),
        Example(
            before=(
                "from vllm import LLM, SamplingParams\n"
                "\n"
                "\n"
                "def sample(prompts):\n"
                '    llm = LLM("m")\n'
                "    return llm.generate(prompts)\n"
            ),
            unchanged=True,
        ),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield engines whose log-probabilities a trainer reads."""
        change = default_change("logprobs", context)
        use = context.project
        if change is None or not use.takes_logprobs:
            return
        if file.servers and is_rl(use) and are_asked_for_logprobs(context):
            yield from self._served(file, change)
        if not use.reads_logprobs:
            return
        rl = is_rl(use) and feeds_training(file, context)
        if not rl and not file.use.reads_logprobs:
            return
        at_one = asks_at_one(file)
        if is_apart(file, context) and (not file.use.takes_logprobs or at_one):
            return
        asks_for_none, reads_none = _asks_for_none(file), _reads_none(file)
        read = are_read_near(file, context)
        name, value = setting(change)
        both = min_p_and_top_p(file) and context.facts.change(
            Subject.BEHAVIOUR, "min-p-order", context.source, context.target
        )
        for call, written in calls_with(file, name):
            if written is not None and written.value.literal == value.strip('"'):
                continue
            if is_passed_on(call, name, context) or _takes_texts_alone(file, call, context):
                continue
            if is_tried_out(file, call, context) or (call.target == "vllm.LLM" and not read):
                continue
            if asks_for_none and not _is_inherited(held(file, call), context):
                continue
            message = f"{built(call)}(...) without {name}: {change.fact.because}"
            if written is not None:
                message = (
                    f"{name}={written.value.source} was written for {built(call)}: {change.fact.because}"
                )
            if reads_none:
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    "cumulative_logprob is read, and no SamplingParams here asks for log-probabilities: "
                    "it is None then",
                    fact=change.fact,
                    safety=Safety.MANUAL,
                    advice=f"logprobs=0 in SamplingParams(...), and {name}={value} for V0's",
                    certainty=call.certainty,
                )
                continue
            if both:
                message += "; min_p and top_p are used together, which V1 applies in another order"
            if not rl and (draws_nothing(file) or (at_one and not ask_others(file, context))):
                continue
            if not rl or answers_requests(call, use):
                yield make_finding(
                    self,
                    file,
                    call.callee,
                    message,
                    fact=change.fact,
                    level=Level.NOTE,
                    safety=Safety.UNSAFE,
                    edits=add(call, change) if use.keeps_logprobs and written is None else (),
                    advice=f"{name}={value} if these figures are compared with V0's",
                    precondition="whoever reads the samples takes their log-probabilities for V0's",
                    certainty=call.certainty,
                )
                continue
            yield make_finding(
                self,
                file,
                call.callee,
                message,
                fact=change.fact,
                safety=Safety.UNSAFE if both else Safety.SAFE,
                edits=() if written is not None else add(call, change),
                advice=f"{name}={value}",
                certainty=call.certainty,
            )

    def _served(self, file: FileFacts, change: Change) -> Iterator[Finding]:
        """Servers that a project starts whose clients train on log-probabilities."""
        name, value = setting(change)
        if any(a.owner == "engine" and a.name == name for a in file.arguments):
            return
        flag = f"--{name.replace('_', '-')} {value.strip(chr(34))}"
        for server in file.servers:
            yield make_finding(
                self,
                file,
                server,
                f"the server is started without {flag.partition(' ')[0]}, which matters if its "
                f"log-probabilities are trained on: {change.fact.because}",
                fact=change.fact,
                safety=Safety.UNSAFE,
                edits=(ReplaceText(Span(server.end, server.end), f" {flag}"),),
                advice=flag,
                precondition="the project's trainer is who asks this server",
            )


def _asks_for_none(file: FileFacts) -> bool:
    """Whether this file says how it samples, asks for no log-probabilities and does nothing with any."""
    return (
        not file.use.takes_logprobs
        and any(call.target == "vllm.SamplingParams" for call in file.calls)
        and not any(a.owner == "sampling" and a.name.endswith("logprobs") for a in file.arguments)
    )


def _reads_none(file: FileFacts) -> bool:
    """Whether this file reads sums of log-probabilities that its sampling parameters don't ask for."""
    made = [call for call in file.calls if call.target == "vllm.SamplingParams" and not call.dead]
    return (
        b".cumulative_logprob" in file.source
        and not is_test(file.path)  # which may compare what isn't there
        and bool(made)
        and not any(call.open_ended for call in made)
        and not any(a.owner == "sampling" and a.name == "logprobs" for a in file.arguments)
    )


def _takes_texts_alone(file: FileFacts, call: Call, context: Context) -> bool:
    """Whether an engine's outputs are taken apart here without their log-probabilities, and nowhere else."""
    if b"logprob" in file.source or not _TEXTS.search(file.source) or context.mentions is None:
        return False
    found = held(file, call)
    if found is None or not found.attribute:
        return found is not None and not found.escapes and bool(found.uses)
    if _is_inherited(found, context):
        return False
    name = found.attribute.encode()
    return context.mentions.code_matches(re.compile(rb"\.%s\b" % name), name) <= {file.path}


def _is_inherited(found: Held | None, context: Context) -> bool:
    """Whether a class derived from the one that builds an engine asks for log-probabilities."""
    if found is None or context.mentions is None:
        return False
    owner = next(
        (above for above in found.module.around(found.node) if isinstance(above, ast.ClassDef)), None
    )
    pending = [owner.name.encode()] if owner is not None else []
    seen: set[bytes] = set()
    while pending and len(seen) < _MOST_HEIRS:
        name = pending.pop()
        seen.add(name)
        derived = re.compile(rb"^class[ \t]+(\w+)\([^)]*\b%s\b" % name, re.MULTILINE)
        for path in context.mentions.code_matches(derived, name):
            source = context.mentions.text(path)
            if _ASKS.search(source):
                return True
            pending += [heir for heir in derived.findall(source) if heir not in seen]
    return False
