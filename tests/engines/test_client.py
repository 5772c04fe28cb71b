from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from vllm_migrate.engines.client import EngineClient
from vllm_migrate.engines.logs import last_meaningful_line
from vllm_migrate.errors import EngineDiedError, EngineStartError, InputError, UsageError
from vllm_migrate.workers import protocol as wire


def script(tmp_path, text):
    """An "interpreter" that does what the text says instead of running the worker."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def gone(pid):
    """Whether a process has ended; a killed one is given the moment that a busy machine takes over it."""
    until = time.monotonic() + 5
    while not ended(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return ended(pid)


def ended(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    return True


def test_a_real_worker_says_hello(plain_python):
    with EngineClient(plain_python) as client:
        answer = client.hello()
        assert answer["protocol"] == wire.PROTOCOL_VERSION
        assert answer["executable"] == str(plain_python.python)
        pid = answer["pid"]
        assert not ended(pid)
        assert client.peak_memory_bytes() > 1_000_000
        client.shutdown()
    assert gone(pid)


def test_requests_can_be_under_way_before_anyone_waits(plain_python, tmp_path):
    with EngineClient(plain_python) as client:
        number = client.begin_load(tmp_path)
        assert client.hello()["protocol"] == wire.PROTOCOL_VERSION
        with pytest.raises(InputError, match=r"config\.json is missing"):
            client.end_load(number)


def test_errors_of_the_worker_keep_their_kind(plain_python, tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with EngineClient(plain_python) as client:
        with pytest.raises(InputError, match="no model at"):
            client.load(tmp_path / "absent")
        with pytest.raises(UsageError, match="no backend of kind"):
            client.load(tmp_path, kind="v9")
        with pytest.raises(UsageError, match="no engine is loaded"):
            client.reset()
        with pytest.raises(UsageError, match="data_parallel_size=2"):
            client.load(tmp_path, {"data_parallel_size": 2}, kind="v1")
        assert client.hello()["pid"]


def test_an_interpreter_that_is_not_there(plain_python, tmp_path):
    with pytest.raises(EngineStartError, match="No such file"):
        EngineClient(replace(plain_python, python=tmp_path / "absent")).start()


def test_an_engine_that_dies_is_quoted(plain_python, tmp_path):
    text = 'echo "Traceback (most recent call last):" >&2; echo "ImportError: libfoo is missing" >&2; exit 3'
    client = EngineClient(replace(plain_python, python=script(tmp_path, text)))
    with client, pytest.raises(EngineDiedError, match=r"status 3: ImportError: libfoo is missing") as caught:
        client.hello()
    assert str(client.log) in caught.value.hint
    assert "libfoo" in client.log.read_text(encoding="utf-8")


def test_an_engine_killed_for_memory_is_recognised(plain_python, tmp_path):
    client = EngineClient(replace(plain_python, python=script(tmp_path, "kill -9 $$")))
    with client, pytest.raises(EngineDiedError, match="signal 9"):
        client.hello()


def test_an_engine_that_never_answers_is_ended(plain_python, tmp_path, monkeypatch):
    monkeypatch.setattr("vllm_migrate.engines.calls.START_SECONDS", 0.5)
    marker = tmp_path / "child"
    text = f"sleep 600 & echo $! > {marker}; wait"
    client = EngineClient(replace(plain_python, python=script(tmp_path, text)))
    with client, pytest.raises(EngineDiedError, match="gave no answer to hello"):
        client.hello()
    child = int(marker.read_text(encoding="utf-8"))
    assert gone(child)


def test_a_worker_that_has_ended_is_not_started_again(plain_python, tmp_path):
    starts = tmp_path / "starts"
    client = EngineClient(replace(plain_python, python=script(tmp_path, f"echo one >> {starts}; exit 3")))
    with client:
        with pytest.raises(EngineDiedError, match="status 3"):
            client.hello()
        with pytest.raises(EngineDiedError, match="is not running any more"):
            client.observe()
    assert starts.read_text(encoding="utf-8") == "one\n"


def test_nothing_is_left_running_when_the_caller_fails(plain_python, tmp_path):
    marker = tmp_path / "child"
    client = EngineClient(
        replace(plain_python, python=script(tmp_path, f"sleep 600 & echo $! > {marker}; wait"))
    )

    def interrupted():
        with client:
            while not (marker.is_file() and marker.read_text(encoding="utf-8").strip()):
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(int(marker.read_text(encoding="utf-8")))


def test_another_thread_can_end_it(plain_python, tmp_path):
    client = EngineClient(replace(plain_python, python=script(tmp_path, "exec sleep 600")))
    with client:
        threading.Timer(0.3, client.kill).start()
        with pytest.raises(EngineDiedError):
            client.hello()


def test_a_worker_ends_when_its_parent_is_killed(plain_python, tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from vllm_migrate.engines.client import EngineClient\n"
        "from vllm_migrate.engines.environment import EngineEnvironment\n"
        "me = Path(sys.executable)\n"
        "engine = EngineEnvironment('p', 'v1', '0', '', 'cpu', me, Path(sys.argv[1]))\n"
        "client = EngineClient(engine)\n"
        "print(client.hello()['pid'], flush=True)\n"
        "time.sleep(600)\n"
    )
    import subprocess  # noqa: PLC0415 - only this test starts a parent of its own

    parent = subprocess.Popen(
        [str(plain_python.python), "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
        },
    )
    try:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=10)
        until = time.monotonic() + 15
        while not ended(pid) and time.monotonic() < until:
            time.sleep(0.1)
        assert gone(pid)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("starting\n\n", "starting"),
        ("INFO 11-22 starting\nWARNING 11-22 pin memory is off\n", ""),
        ("ValueError: bad head size\nINFO 11-22 shutting down\n", "ValueError: bad head size"),
        ("torch.OutOfMemoryError: CUDA out of memory\n", "torch.OutOfMemoryError: CUDA out of memory"),
        ("Loading\n 50%|#####     | 1/2 [00:01, 1.0it/s]\n", "Loading"),
        ("x.py:3: UserWarning: old\n  warnings.warn(old)\nlast words\n", "last words"),
    ],
)
def test_what_a_dead_engine_said_last(tmp_path, log, line):
    path = tmp_path / "engine.log"
    path.write_text(log, encoding="utf-8")
    assert last_meaningful_line(path) == line


def test_no_log_says_nothing(tmp_path):
    assert last_meaningful_line(None) == ""
    assert last_meaningful_line(tmp_path / "absent") == ""
