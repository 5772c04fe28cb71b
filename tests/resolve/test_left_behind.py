"""Copies of modules that nobody uses any more."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from vllm_migrate.resolve.left_behind import left_behind


@pytest.mark.parametrize(
    ("name", "others", "gone"),
    [
        ("engine_07.py", {"engine.py": b""}, True),
        ("engine_old.py", {"engine.py": b"", "run.sh": b"python main.py"}, True),
        ("engine_07.py", {}, False),  # no copy of anything
        ("engine_07.py", {"engine.py": b"", "a.py": b"import engine_07"}, False),
        ("engine_07.py", {"engine.py": b"", "run.yaml": b"target: pkg.engine_07.Engine"}, False),
        ("engine.py", {"engine_07.py": b""}, False),
        ("engine_0_6_3.py", {"engine.py": b""}, True),
        ("deepseek_v2.py", {"deepseek.py": b""}, False),  # what its folder may be searched for
    ],
)
def test_copies_that_nothing_names(name: str, others: dict[str, bytes], gone: bool) -> None:
    path = PurePosixPath(name)
    sources = {path: b"import vllm", **{PurePosixPath(other): text for other, text in others.items()}}
    assert (path in left_behind([path], sources)) is gone


def test_what_asks_for_main_is_started_by_somebody() -> None:
    path = PurePosixPath("bench_2.py")
    sources = {path: b"if __name__ == '__main__':\n    run()\n", PurePosixPath("bench.py"): b""}
    assert not left_behind([path], sources)
