"""Resets of the prefix cache beside an update, caches that are turned off, and sleep without requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from rule_support import by_code, context, find, read

from vllm_migrate.edits.model import Level
from vllm_migrate.files.discover import SourceFile
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.rules.mentions import Mentions

if TYPE_CHECKING:
    from pathlib import Path

WORKER = (
    "from vllm import LLM\n\n\nclass Worker:\n    def __init__(self):\n"
    '        self.llm = LLM("m", enable_prefix_caching=True)\n\n    def update(self, handles):\n'
    '        self.llm.collective_rpc("update_weights", args=(handles,))\n\n'
)
ROUTES = (
    "from vllm import AsyncEngineArgs, AsyncLLMEngine\n\n\ndef serve(app):\n"
    '    engine = AsyncLLMEngine.from_engine_args(AsyncEngineArgs("m", enable_prefix_caching=True))\n\n'
    '    @app.post("/update_weight")\n    async def update(request):\n'
    '        await engine.collective_rpc("update_weight", args=(request,))\n\n'
)


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (
            "    def sleep(self):\n        self.llm.reset_prefix_cache()\n        self.llm.sleep(level=1)\n",
            False,
        ),
        ("    def reset(self):\n        self.llm.reset_prefix_cache()\n", False),
        ("    def draw(self, p):\n        self.llm.reset_prefix_cache()\n", True),
        ("    def sleep(self):\n        self.llm.sleep(level=1)\n", True),
    ],
)
def test_a_method_that_puts_the_engine_to_sleep_resets_for_the_update(beside: str, said: bool) -> None:
    assert bool(find(by_code("VM706"), WORKER + beside)) is said


def test_a_route_of_the_same_server_resets_for_the_update() -> None:
    assert find(by_code("VM706"), ROUTES)
    route = '    @app.post("/reset")\n    async def {}(request):\n        await engine.reset_prefix_cache()\n'
    assert find(by_code("VM706"), ROUTES + route.format("_reset_prefix_cache")) == []
    assert find(by_code("VM706"), ROUTES + route.format("profile"))


@pytest.mark.parametrize(
    ("cache", "line", "said"),
    [
        (
            "cache",
            "if args.n >= 1 and args.enable_prefix_caching:\n    args.enable_prefix_caching = False\n",
            False,
        ),
        ("True", "if args.enable_prefix_caching:\n    args.enable_prefix_caching = False\n", True),
        ("cache", "Worker(enable_prefix_caching=False)\n", False),
        ("cache", "Worker(enable_prefix_caching=False)\nOther(enable_prefix_caching=on)\n", True),
        ("cache", "if args.debug:\n    args.enable_prefix_caching = False\n", True),
    ],
)
def test_a_cache_that_the_command_line_turns_off(tmp_path: Path, cache: str, line: str, said: bool) -> None:
    text = WORKER.replace("caching=True", f"caching={cache}").replace("(self):", "(self, cache):", 1)
    path = tmp_path / "cli.py"
    path.write_text(line)
    mentions = Mentions((SourceFile(path, PurePosixPath("cli.py"), FileKind.PYTHON),))
    facts = read(text.encode(), "worker.py", "0.32.0")
    asked = replace(context(facts.use), mentions=mentions)
    for code in ("VM702", "VM706"):
        assert bool(list(by_code(code).find(facts, asked))) is said


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("if engine.engine.has_unfinished_requests():\n        pass\n    else", False),
        ("if not engine.has_unfinished_requests()", False),
        ("if engine.has_unfinished_requests()", True),
        ("if busy", True),
    ],
)
def test_an_idle_engine_has_no_requests_to_end(test: str, said: bool) -> None:
    text = (
        "from vllm import AsyncLLMEngine\n\n\nasync def rest(engine: AsyncLLMEngine, busy):\n"
        f"    {test}:\n        await engine.sleep(level=1)\n"
    )
    found = find(by_code("VM508"), text)
    assert [finding.level for finding in found] == [Level.NOTE] * said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("await self.engine.reset_prefix_cache()", True),
        ("done = self.engine.reset_prefix_cache()\n        return {'done': str(done)}", False),
        ("done = self.engine.reset_prefix_cache()\n        return await done", True),
        ("done = self.engine.reset_prefix_cache()\n        return done", True),
        ("done = self.engine.reset_prefix_cache()\n        await asyncio.gather(done)", True),
        ("done = await self.engine.reset_prefix_cache()\n        return {'done': str(done)}", True),
        ("await self.engine.reset_prefix_cache()\n        # empty\n        await self.engine.sleep()", False),
        ("await self.engine.reset_prefix_cache()\n        await self.engine.sleep(mode='keep')", True),
        ("await self.engine.reset_prefix_cache()\n        await self.other.sleep()", True),
    ],
)
def test_a_reset_is_refused_only_where_an_asynchronous_engine_may_run_requests(line: str, said: bool) -> None:
    text = (
        "import asyncio\nfrom vllm import AsyncLLMEngine, LLMEngine\n\n\n"
        "class Server:\n    def __init__(self, args, ask):\n"
        "        made = AsyncLLMEngine if ask else LLMEngine\n"
        "        self.engine = made.from_engine_args(args)\n\n"
        "    async def reset(self):\n        "
    )
    main = "\n\n\nif __name__ == '__main__':\n    asyncio.run(Server(args, ask).reset())\n"
    assert bool(find(by_code("VM509"), f"{text}{line}{main}")) is said
