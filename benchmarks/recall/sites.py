"""Takes the sites to be found over from an oracle: `sites.jsonl` from a file like `expected.json`.

    python benchmarks/recall/sites.py ORACLE

An oracle is a JSON list of repositories, each with `name`, `version` and `hazards`: what a scan of the code
against vLLM 0.8.5 and 0.18.1 found, resolved by AST alone and looked over by hand. A hazard has `file`,
`line`, `kind`, `detail` and says whether it is `hard` (breaks on 0.18.1), `vendored` (in a copy of vLLM
itself) or a `dup` (in a file that an earlier repository has, too). What is hard and neither becomes a site.

A site names vLLM's API that is gone, never the code around it, and what should happen to it: `auto`, an
edit; `flag`, the replacement written out for a person. That follows from the kind, except where no
replacement of the kind fits the name.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

SITES = Path(__file__).with_name("sites.jsonl")

CALLED = {
    "trl-serve": "trl",
    "verl-0.2": "verl",
    "verl-0.4": "verl",
    "oat": "oat-llm",
    "lm-eval-harness": "lm_eval",
}
"""The oracle's names of repositories that are called otherwise where they are downloaded."""

FLAGGED_KINDS = ("import_gone_pre_0.8.5", "engine_kwarg_gone_param", "engine_internal_chain")
FLAGGED_NAMES = re.compile(
    # V0's scheduler, sequences and worker were replaced by classes of another shape;
    r"vllm\.(worker\.worker\.Worker$|core\.|sequence\.|engine\.llm_engine\.SchedulerOutputState)"
    # a method that is assigned to them has no place there.
    r"|(Scheduler|GPUExecutor)\.\w+$"
    # execute_method has no equal outside of the process, a processor for one request none at all;
    r"|execute_method$|logits_processors$"
    # cutting prompts moved to the tokenizer, a device is chosen by the process's environment.
    r"|truncate_prompt_tokens$|device$"
)
EDITED_NAMES = re.compile(r"model_executor\.stop_remote_worker_execution_loop")


def name_of(kind: str, detail: str) -> str:
    """What of vLLM's a hazard is about."""
    if found := re.search(r"\bVLLM_[A-Z0-9_]+", detail):
        return found[0]
    if kind in ("engine_internal_chain", "engine_private_rpc"):
        return re.sub(r"^.*?(?=model_executor|driver_worker|execute_method)", "", detail)
    if found := re.match(r"patch\('([\w.]+)'", detail):
        return found[1]
    return detail.split(maxsplit=1)[0].rstrip(":=")


def action_of(kind: str, name: str) -> str:
    """`auto` or `flag`."""
    if EDITED_NAMES.search(name):
        return "auto"
    return "flag" if kind in FLAGGED_KINDS or FLAGGED_NAMES.search(name) else "auto"


def sites(oracle: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The hard sites of an oracle, in order."""
    found = []
    for repository in oracle:
        for hazard in repository["hazards"]:
            if not hazard["hard"] or hazard["vendored"] or hazard["dup"]:
                continue
            kind = hazard["kind"]
            name = name_of(kind, hazard["detail"])
            site = {
                "repository": CALLED.get(repository["name"], repository["name"]),
                "version": repository["version"],
                "file": hazard["file"],
                "line": hazard["line"],
                "kind": kind,
                "name": name,
                "action": action_of(kind, name),
            }
            found.append(site)
    return sorted(found, key=lambda site: (site["repository"].lower(), *list(site.values())[1:]))


def main() -> None:
    """Write `sites.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("oracle", type=Path)
    args = parser.parse_args()
    found = sites(json.loads(args.oracle.read_text(encoding="utf-8")))
    SITES.write_text("".join(f"{json.dumps(site)}\n" for site in found), encoding="utf-8")
    print(f"{len(found)} sites")


if __name__ == "__main__":
    main()
