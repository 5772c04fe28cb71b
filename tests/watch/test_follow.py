from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
from made import DATA, rows, write_lines, write_state

from vllm_migrate.errors import InputError
from vllm_migrate.statistics.verdict import Verdict
from vllm_migrate.watch.compare import Settings
from vllm_migrate.watch.follow import Watch, share_of_look

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.watch.result import WatchReport

SETTINGS = Settings(own={}, only=("clip_rate",))


def followed(
    reference: Path, candidate: Path, sleep: object = time.sleep
) -> tuple[WatchReport, list[WatchReport]]:
    told: list[WatchReport] = []
    watched = Watch([str(reference)], [str(candidate)], SETTINGS)
    return watched.follow(every=0.01, told=told.append, sleep=sleep), told


def test_all_looks_together_have_the_whole_level():
    for looks in (1, 2, 5, 30):
        shares = [share_of_look(n) for n in range(1, looks)] + [share_of_look(looks, last=True)]
        assert sum(shares) == pytest.approx(1)


def test_a_run_is_followed_until_it_says_that_it_has_ended(tmp_path: Path):
    reference = write_state(tmp_path / "reference" / "trainer_state.json", rows(1))
    candidate = tmp_path / "candidate"
    write_state(candidate / "checkpoint-10" / "trainer_state.json", rows(2, steps=10))
    saved = iter((40, 70, 100))

    def train(_seconds: float) -> None:
        step = next(saved)
        write_state(candidate / f"checkpoint-{step}" / "trainer_state.json", rows(2)[:step])

    report, told = followed(reference, candidate, train)
    assert report.verdict is Verdict.PASS
    assert not report.running
    assert report.candidates[0].last_step == 100
    assert [one.metrics[0].last_step for one in told] == [40, 70]
    assert report.look == 3


def test_it_ends_where_the_candidate_has_left(tmp_path: Path):
    reference = write_lines(tmp_path / "reference.jsonl", rows(1, steps=150))
    candidate = tmp_path / "candidate.jsonl"
    history = rows(2, steps=150, leaves=60)
    written = [0]

    def train(_seconds: float) -> None:
        """Five steps at a time; the last line is cut in the middle."""
        written[0] += 5
        lines = [json.dumps(row) for row in history[: written[0] + 1]]
        candidate.write_text("\n".join(lines)[:-20], encoding="utf-8")

    train(0)
    report, told = followed(reference, candidate, train)
    assert report.verdict is Verdict.FAIL
    assert report.running
    assert abs(report.metrics[0].left.step - 60) <= 3
    assert 60 < report.candidates[0].last_step < 140
    assert told[-1].verdict is Verdict.FAIL
    assert all(one.verdict is Verdict.PASS for one in told[:-1])


def test_an_interrupt_gives_the_verdict_so_far(tmp_path: Path):
    reference = write_lines(tmp_path / "reference.jsonl", rows(1))
    candidate = write_lines(tmp_path / "candidate.jsonl", rows(2, steps=60))

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    report, told = followed(reference, candidate, interrupt)
    assert report.verdict is Verdict.PASS
    assert report.look == 2
    assert len(told) == 1


def test_a_writer_in_another_thread_is_followed_in_every_format(tmp_path: Path):
    """The real files, byte for byte, as a process that is being watched would append them."""
    for folder, source in (
        ("wandb", DATA / "wandb" / "run-tiny.wandb"),
        ("events", DATA / "tensorboardx" / "events.out.tfevents.1795384000.host"),
    ):
        data = source.read_bytes()
        file = tmp_path / folder / source.name
        file.parent.mkdir()
        file.write_bytes(data[:100])

        def write(file: Path = file, data: bytes = data) -> None:
            with file.open("ab") as stream:
                for start in range(100, len(data), 997):
                    stream.write(data[start : start + 997])
                    stream.flush()
                    time.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()

        def wait(seconds: float, writer: threading.Thread = writer) -> None:
            if not writer.is_alive():
                raise KeyboardInterrupt  # TensorBoard's files don't say that a run has ended
            time.sleep(seconds)

        watched = Watch([str(source)], [str(file)], Settings(own={}, only=("reward",)))
        report = watched.follow(every=0.01, told=lambda _report: None, sleep=wait)
        writer.join()
        assert report.verdict is Verdict.PASS
        assert report.metrics[0].message == "the same at every step"
        assert report.candidates[0].finished is (folder == "wandb")


def test_a_log_that_goes_away_is_an_error(tmp_path: Path):
    reference = write_lines(tmp_path / "reference.jsonl", rows(1))
    candidate = write_lines(tmp_path / "candidate.jsonl", rows(2, steps=40))
    with pytest.raises(InputError):
        followed(reference, candidate, lambda _seconds: candidate.unlink(missing_ok=True))
