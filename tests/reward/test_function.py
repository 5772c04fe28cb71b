"""Rewards in processes of their own: every way they fail is the fault of one text, and the rest is scored."""

from __future__ import annotations

import math
import os
import shutil
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest

from vllm_migrate.errors import RewardError
from vllm_migrate.reward.calling.function import FunctionScorer
from vllm_migrate.reward.calling.named_reward import RewardFunction
from vllm_migrate.reward.calling.sandbox import Bounds
from vllm_migrate.reward.sample import Sample, Score

QUICK = Bounds(seconds=1.0)


@pytest.fixture
def scorer(tmp_path):
    """Makes a scorer of code; its process ends with the test."""
    made = []

    def make(code, name="reward", **options):
        path = tmp_path / f"rewards{len(made)}.py"
        path.write_text(textwrap.dedent(code))
        made.append(FunctionScorer(RewardFunction(path, name), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def samples(*completions, **columns):
    return [
        Sample("p", text, {name: values[at] for name, values in columns.items()}, group=at)
        for at, text in enumerate(completions)
    ]


def values(scores):
    return [score.value for score in scores]


def faults(scores):
    return [score.fault for score in scores]


def test_it_is_imported_once_and_keeps_its_state(scorer):
    asked = scorer(
        "CALLS = []\ndef reward(completions, **_): CALLS.append(1); return [len(CALLS)] * len(completions)"
    )
    assert values(asked.score(samples(*"abc"), batch=1)) == [1, 2, 3]
    assert values(asked.score(samples("d"))) == [4]
    assert values(asked.score(samples(*"ab"), fresh=True)) == [1, 1]
    assert values(asked.score(samples("d"))) == [5]


def test_batches_are_as_large_as_asked_for(scorer):
    asked = scorer("def reward(completions, **_): return [len(completions)] * len(completions)", batch=3)
    assert values(asked.score(samples(*"abcde"))) == [3, 3, 3, 2, 2]
    assert values(asked.score(samples(*"abcde"), batch=1)) == [1] * 5
    assert values(asked.score(samples(*"ab" * 300), batch=600)) == [600] * 600


def test_the_same_text_is_asked_about_every_time(scorer):
    asked = scorer(
        "import itertools\nC = itertools.count()\n"
        "def reward(completions, **_): return [next(C) for _ in completions]"
    )
    assert values(asked.score([*samples("a")] * 5)) == [0, 1, 2, 3, 4]


def test_an_interpreter_is_named_from_here_or_looked_up(scorer, tmp_path, monkeypatch):
    (tmp_path / "env").symlink_to(Path(sys.executable).parent)
    monkeypatch.chdir(tmp_path)
    code = (
        "import sys\ndef reward(completions, **_): return [float(len(sys.executable)) for _ in completions]"
    )
    named = scorer(code, python=Path("env") / Path(sys.executable).name)
    assert values(named.score(samples("a"))) == [len(str(tmp_path / "env" / Path(sys.executable).name))]
    monkeypatch.setenv("PATH", str(tmp_path / "env"))
    looked_up = scorer(code, python=Path(Path(sys.executable).name))
    assert values(looked_up.score(samples("a"))) == [len(str(tmp_path / "env" / Path(sys.executable).name))]


def test_what_is_no_python_that_rewards_run_under_is_said_with_a_hint(scorer):
    asked = scorer("def reward(completions, **_): return [1.0]", python=Path(shutil.which("false")))
    with pytest.raises(RewardError, match="while it was imported") as raised:
        asked.score(samples("a"))
    assert raised.value.hint.endswith("a Python of 3.8 or newer?")


def test_it_can_be_cut_off_the_network(scorer):
    code = """
        import os, socket
        def reward(completions, **_):
            places = [len(socket.if_nameindex()), os.getuid()]
            try:
                socket.create_connection(("127.0.0.1", PORT), 2).close()
                places.append(1)
            except OSError:
                places.append(0)
            return places[:len(completions)]
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = code.replace("PORT", str(server.getsockname()[1]))
        assert values(scorer(code).score(samples(*"abc")))[1:] == [os.getuid(), 1]
        cut = scorer(code, network=False)
        refused = ""
        try:
            cut.open()
        except RewardError as error:  # a machine may not allow it
            refused = f"{error.message} {error.hint}"
        if refused:
            assert "can't be cut off the network" in refused
            assert "--no-network" in refused
        else:
            assert values(cut.score(samples(*"abc"))) == [1, os.getuid(), 0]


def test_a_conversation_stays_one(scorer):
    asked = scorer("""
        def reward(prompts, completions, **_):
            assert completions == [[{"role": "assistant", "content": "x"}]], completions
            return [prompts[0][0]["content"] == "hi"]
    """)
    sample = Sample("<hi>", "x", messages=({"role": "user", "content": "hi"},))
    assert asked.score([sample]) == [Score(1.0)]


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        ("[1, 2, 3]", "returned 3 rewards for 2 completions"),
        ("1.0", "returned float, not a list of numbers"),
        ("None", "returned NoneType, not a list of numbers"),
        ("'ab'", "returned str, not a list of numbers"),
        ("{'a': 1, 'b': 2}", "returned dict, not a list of numbers"),
        ("['1.0', '2.0']", "returned str, not a number"),
        ("[float('nan')] * 2", "returned nan"),
        ("[float('-inf')] * 2", "returned -inf"),
        ("[10 ** 400] * 2", "returned int that is too large for a floating point number"),
        ("[1j] * 2", "returned complex, not a number"),
        ("[[1], [2]]", "returned list, not a number"),
    ],
)
def test_what_is_no_reward_is_the_fault_of_its_texts(scorer, returned, fault):
    assert (
        scorer(f"def reward(completions, **_): return {returned}").score(samples("a", "b"))
        == [Score(None, fault)] * 2
    )


def test_none_is_an_abstention(scorer):
    assert scorer("def reward(completions, **_): return [None, 1]").score(samples("a", "b")) == [
        Score(None),
        Score(1.0),
    ]


def test_a_text_that_raises_is_found_in_its_batch(scorer):
    found = scorer("def reward(completions, **_): return [1 / len(c) for c in completions]").score(
        samples("a", "", "bb")
    )
    assert found == [Score(1.0), Score(None, "raised ZeroDivisionError: division by zero"), Score(0.5)]


def test_what_raises_only_in_batches_is_everyones_fault(scorer):
    code = "def reward(completions, **_):\n    assert len(completions) == 1\n    return [1]"
    found = scorer(code).score(samples("a", "b", "c"), batch=2)
    assert faults(found) == ["raised AssertionError, in a batch of 2 and for no text of it alone"] * 2 + [""]


@pytest.mark.parametrize(
    ("does", "fault"),
    [
        ("time.sleep(600)", "did not return within 1 s"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", "did not return within 1 s"),
        ("os._exit(7)", "ended its process (exit status 7)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended its process (SIGSEGV)"),
        ("bytearray(8 << 30)", "ran out of the memory it is allowed"),
        ("open('x', 'wb').write(b'x' * 2_000_000)", "wrote a file beyond the file size it is allowed"),
        ("sys.exit(1)", "raised SystemExit: 1"),
        ("os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)", "ended the process that watches over it"),
    ],
)
def test_the_text_that_ends_it_is_named_and_the_rest_is_scored(scorer, does, fault):
    code = "import os, signal, sys, time\ndef reward(completions, **_):\n    if 'x' in completions:\n"
    code += textwrap.indent(does, " " * 8) + "\n    return [len(c) for c in completions]"
    asked = scorer(code, bounds=Bounds(seconds=1.0, memory_bytes=4 << 30, file_bytes=1_000_000), batch=3)
    found = asked.score(samples("a", "bb", "ccc", "d", "x", "e", "ff", "g"))
    assert faults(found) == ["", "", "", "", fault, "", "", ""]
    assert values(found) == [1, 2, 3, 1, None, 1, 2, 1]


def test_the_text_that_takes_all_processor_time_is_named(scorer):
    code = """
        def reward(completions, **_):
            while "x" in completions:
                pass
            return [1.0 for _ in completions]
    """
    asked = scorer(code, bounds=Bounds(seconds=30.0, cpu_seconds=1), batch=1)
    assert faults(asked.score(samples("a", "x", "b"))) == ["", "used more than its 1 s of processor time", ""]


@pytest.mark.skipif(not Path(os.devnull).is_char_device(), reason="this machine's null device is a file")
def test_a_gigabyte_of_output_does_no_harm(scorer, capfd):
    code = """
        import os
        def reward(completions, **_):
            for _ in range(1024):
                os.write(1, bytes(1 << 20))
                os.write(2, b"line")
            print("x" * (1 << 20))
            return [1]
    """
    assert scorer(code).score(samples("a")) == [Score(1.0)]
    assert capfd.readouterr() == ("", "")


def test_processes_that_multiply_are_ended(scorer, tmp_path):
    marker = tmp_path / "pids"
    code = f"""
        import os, time
        def reward(completions, **_):
            if "x" in completions:
                for _ in range(30):
                    if os.fork() == 0:
                        os.setsid()
                        with open({str(marker)!r}, "a") as stream:
                            stream.write(f"{{os.getpid()}} ")
                        time.sleep(60)
                        os._exit(0)
                time.sleep(60)
            return [1.0 for _ in completions]
    """
    asked = scorer(code, bounds=Bounds(processes=10), batch=1)
    found = asked.score(samples("a", "x", "b"))
    assert values(found) == [1, None, 1]
    assert found[1].fault.startswith("started ")
    assert found[1].fault.endswith(" processes")
    assert all_gone(marker)


def test_what_it_leaves_behind_ends_with_it(scorer, tmp_path):
    marker = tmp_path / "pids"
    code = f"""
        import os, subprocess
        def reward(completions, **_):
            if os.fork() == 0:
                os.setsid()
                child = subprocess.Popen(["sleep", "600"])
                with open({str(marker)!r}, "a") as stream:
                    stream.write(f"{{child.pid}} ")
                os._exit(0)
            return [1.0]
    """
    asked = scorer(code)
    assert values(asked.score(samples("a"))) == [1]
    while not marker.is_file() or not marker.read_text():
        time.sleep(0.01)
    assert not all_gone(marker, seconds=0.2)
    asked.close()
    assert all_gone(marker)


def all_gone(marker, seconds=10.0):
    until = time.monotonic() + seconds
    pids = marker.read_text().split()
    while time.monotonic() < until:
        if not any(lives(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_that_comes_back_as_well_is_not_listened_to(scorer):
    asked = scorer("import os\ndef reward(completions, **_):\n    os.fork()\n    return [1.0]", batch=1)
    assert values(asked.score(samples(*"abcd"))) == [1] * 4


def test_after_so_many_restarts_the_rest_is_not_scored(scorer):
    asked = scorer("import os\ndef reward(completions, **_): os._exit(1)", bounds=Bounds(restarts=2))
    found = asked.score(samples(*"abcdef"), batch=1)
    assert faults(found)[:3] == ["ended its process (exit status 1)"] * 3
    assert faults(found)[3:] == ["not scored: its process hung or ended 3 times before"] * 3


def test_what_dies_only_in_batches_is_everyones_fault(scorer):
    asked = scorer(
        "import os\ndef reward(completions, **_):\n    if len(completions) > 1: os._exit(2)\n    return [1]"
    )
    found = asked.score(samples("a", "b", "c"), batch=2)
    assert faults(found) == [
        "ended its process (exit status 2), in a batch of 2 and for no text of it alone"
    ] * 2 + [""]


def test_no_secrets_no_home_and_no_descriptors(scorer, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("JUDGE_KEY", "asked for")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003 - positional only
    ours = str(Path(f"/proc/self/fd/{writer}").readlink())
    code = f"""
        import os
        def reward(completions, **_):
            assert "HF_TOKEN" not in os.environ and os.environ["JUDGE_KEY"] == "asked for"
            assert os.environ["HOME"] == os.environ["TMPDIR"] == os.getcwd()
            try:
                os.fstat({writer})
            except OSError:
                return [1]
            return [os.readlink("/proc/self/fd/{writer}") != {ours!r}]
    """
    try:
        assert scorer(code, passed=("JUDGE_KEY",)).score(samples("a")) == [Score(1.0)]
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ValueError('no data')", "can't be imported: ValueError: no data"),
        ("import nothing_of_that_name", "can't be imported: ModuleNotFoundError"),
        ("other = 1", "is not defined in that file"),
        ("reward = 1", "is not a function"),
        ("import os; os._exit(3)", r"ended its process \(exit status 3\) while it was imported"),
        ("def reward(a, b): pass", r"can be called in several ways, by its signature \(a, b\)"),
    ],
)
def test_what_can_not_be_asked_at_all_is_an_error(scorer, code, says):
    with pytest.raises(RewardError, match=says):
        scorer(code).score(samples("a"))


def test_an_import_that_hangs_is_an_error(scorer):
    asked = scorer("import time; time.sleep(60)", bounds=Bounds(start_seconds=1.0))
    with pytest.raises(RewardError, match="was not imported within 1 s"):
        asked.score(samples("a"))


def test_a_reward_that_closes_all_descriptors_does_not_stop_the_rest(scorer):
    code = """
        import os
        def reward(completions, **_):
            if "x" in completions:
                os.closerange(3, 100)
            return [1.0 for _ in completions]
    """
    found = scorer(code, batch=1).score(samples("a", "x", "b", "c"))
    assert "ended its process (exit status 1)" in faults(found)
    assert values(found)[0] == 1.0
    assert values(found)[3] == 1.0


def test_many_long_texts_do_not_block(scorer):
    found = scorer("def reward(completions, **_): return [len(c) for c in completions]").score(
        samples(*["x" * 20_000] * 1500)
    )
    assert values(found) == [20_000] * 1500


def test_nothing_is_left_open_or_lying_about(scorer, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    asked = scorer("def reward(completions, **_): open('left', 'w').close(); return [1]")
    asked.score(samples("a"))
    assert list(tmp_path.glob("vllm-migrate-reward-*/left"))
    asked.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not list(tmp_path.glob("vllm-migrate-reward-*"))


def test_columns_of_any_kind_arrive(scorer):
    import datetime as dt  # noqa: PLC0415 - for this alone

    import numpy as np  # noqa: PLC0415 - for this alone

    code = "def reward(completions, when, rows, **_): return [when == ['2026-01-02'] and rows == [[1, 2]]]"
    sample = Sample("p", "c", {"when": dt.date(2026, 1, 2), "rows": np.array([1, 2])})
    assert scorer(code).score([sample]) == [Score(1.0)]


def test_no_samples_need_no_process(scorer):
    assert scorer("raise ValueError").score([]) == []


def test_nan_is_no_number(scorer):
    assert math.isnan(scorer("def reward(completions, **_): return [None]").score(samples("a"))[0].number)


def test_time_in_all_is_bounded_and_what_is_left_is_not_scored(scorer):
    code = "import time\ndef reward(completions, **_): time.sleep(0.2); return [1.0] * len(completions)"
    asked = scorer(code, bounds=Bounds(total_seconds=3.0))
    assert values(asked.score(samples("a"))) == [1.0]
    assert asked.exhausted == ""
    begun = time.monotonic()
    scores = asked.score(samples(*"ab" * 40), batch=1)
    assert time.monotonic() - begun < 8
    assert scores[0].value == 1.0
    assert scores[-1].fault == "not scored: the time limit of 3 s was reached"
    assert asked.notes == ("not everything was asked: the time limit of 3 s was reached",)
    assert asked.score(samples("c"))[0].fault.startswith("not scored")


def test_time_lost_in_calls_that_hang_is_bounded(scorer):
    code = "import time\ndef reward(completions, **_): time.sleep(600)"
    asked = scorer(code, bounds=Bounds(seconds=0.3, lost_seconds=0.5))
    told = faults(asked.score(samples(*"abcdefgh"), batch=1))
    assert told[:2] == ["did not return within 0.3 s"] * 2
    assert set(told[2:]) == {"not scored: calls that did not return took 1 s"}


def test_a_later_run_with_more_time_knows_what_was_answered(scorer, tmp_path):
    code = "import time\ndef reward(completions, **_): time.sleep(0.1); return [1.0] * len(completions)"
    first = scorer(code, resume=tmp_path / "kept", bounds=Bounds(total_seconds=600))
    assert values(first.score(samples(*"ab"))) == [1.0, 1.0]
    first.close()
    second = FunctionScorer(first.function, resume=tmp_path / "kept")
    assert values(second.score(samples(*"ab"))) == [1.0, 1.0]
    second.close()
    assert len(list((tmp_path / "kept").iterdir())) == 1
