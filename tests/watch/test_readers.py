from __future__ import annotations

import json
import math
import shutil
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from made import DATA, EXPECTED, rows, write_csv, write_lines, write_state

from vllm_migrate.errors import InputError
from vllm_migrate.watch.find import open_runs
from vllm_migrate.watch.readers.protobuf import WireError, fields, signed
from vllm_migrate.watch.readers.tensorboard import masked_crc

if TYPE_CHECKING:
    from pathlib import Path

    from vllm_migrate.watch.run import Run

EVENTS = DATA / "tensorboardx" / "events.out.tfevents.1795384000.host"
WANDB = DATA / "wandb" / "run-tiny.wandb"


def read(path: Path, **settings: str) -> Run:
    (log,) = open_runs([str(path)], **settings)
    log.update()
    log.close()
    return log.run("run")


def message_of(path: Path) -> str | None:
    """What is said of a file that can't be read; None where it can."""
    try:
        read(path)
    except InputError as error:
        return error.message
    return None


def assert_as_logged(run: Run, *, single: bool) -> None:
    for name in ("train/reward", "train/kl", "train/entropy"):
        series = run.series[name]
        assert series.steps.tolist() == list(range(1, 41))
        wanted = [row[name] for row in EXPECTED]
        assert series.values == pytest.approx(wanted, rel=1e-6 if single else 0)


@pytest.mark.parametrize("folder", ["tensorboardx", "tensorboard"])
def test_event_files_of_real_writers_hold_what_was_logged(folder: str):
    run = read(DATA / folder)
    assert run.kind == "TensorBoard"
    assert_as_logged(run, single=True)


def test_an_event_file_says_where_its_run_was_resumed():
    (note,) = read(DATA / "tensorboard").notes
    assert note.startswith("resumed at step 31")


def test_a_binary_log_of_wandb_holds_what_was_logged():
    run = read(WANDB)
    assert run.finished
    assert run.kind == "W&B"
    assert_as_logged(run, single=False)
    assert math.isnan(run.series["bad"].values[4])
    assert "note" not in run.series
    assert run.series["nested.a"].values[-1] == 40


def test_a_real_trainer_state_is_read():
    run = read(DATA / "trl")
    assert run.kind == "Trainer state"
    assert run.finished
    history = json.loads((DATA / "trl/checkpoint-40/trainer_state.json").read_text(encoding="utf-8"))[
        "log_history"
    ]
    assert run.series["reward"].values.tolist() == [row["reward"] for row in history]
    assert "epoch" not in run.series


@pytest.mark.parametrize("cut", [1, 5, 12, 17, 500, 5000])
def test_a_truncated_event_file_gives_what_is_whole(tmp_path: Path, cut: int):
    file = tmp_path / EVENTS.name
    data = EVENTS.read_bytes()
    file.write_bytes(data[: len(data) - cut])
    run = read(file)
    assert 0 < len(run.series["train/reward"].steps) <= 40
    assert run.series["train/reward"].values == pytest.approx(
        [row["train/reward"] for row in EXPECTED][: len(run.series["train/reward"].steps)], rel=1e-6
    )
    assert any("in the middle of a record" in note for note in run.notes)


def test_a_damaged_event_is_left_out_and_said(tmp_path: Path):
    data = bytearray(EVENTS.read_bytes())
    place = data.rindex(b"train/kl")
    data[place + 9] ^= 0xFF
    file = tmp_path / EVENTS.name
    file.write_bytes(data)
    run = read(file)
    assert len(run.series["train/kl"].steps) == 39
    assert any("1 lines or records could not be read" in note for note in run.notes)


def test_every_byte_of_an_event_file_may_be_wrong(tmp_path: Path):
    data = EVENTS.read_bytes()[:1200]
    file = tmp_path / EVENTS.name
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 0x5A
        file.write_bytes(damaged)
        said = message_of(file)
        assert said is None or "no TensorBoard event file" in said


def test_the_checksum_is_castagnolis():
    def unmasked(crc: int) -> int:
        rotated = (crc - 0xA282EAD8) & 0xFFFFFFFF
        return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF

    assert unmasked(masked_crc(b"123456789")) == 0xE3069283  # the check value of CRC-32C
    assert unmasked(masked_crc(b"\0" * 32)) == 0x8A9136AA  # RFC 3720, B.4


@pytest.mark.parametrize("cut", [1, 30, 3000, 20_000])
def test_a_truncated_log_of_wandb_gives_what_is_whole(tmp_path: Path, cut: int):
    file = tmp_path / "run-x.wandb"
    data = WANDB.read_bytes()
    file.write_bytes(data[: len(data) - cut])
    run = read(file)
    assert not run.finished
    found = run.series["train/kl"].values.tolist() if "train/kl" in run.series else []
    assert found == [row["train/kl"] for row in EXPECTED][: len(found)]


def test_every_byte_of_a_log_of_wandb_may_be_wrong(tmp_path: Path):
    data = WANDB.read_bytes()
    file = tmp_path / "run-x.wandb"
    for place in range(0, len(data), 501):
        damaged = bytearray(data)
        damaged[place] ^= 0x5A
        file.write_bytes(damaged)
        said = message_of(file)
        assert "no log of W&B" in said if said is not None else read(file).notes


def test_a_log_of_wandb_may_be_longer_than_a_block(tmp_path: Path):
    """Records that are parted between blocks, as the writer parts them."""
    blocks = bytearray(b":W&B\xe1\xbe\x00")

    def put(record: bytes) -> None:
        first = True
        while record or first:
            left = 32768 - len(blocks) % 32768
            if left < 7:
                blocks.extend(b"\0" * left)
                continue
            piece, record = record[: left - 7], record[left - 7 :]
            kind = (1 if not record else 2) if first else (4 if not record else 3)
            blocks.extend(struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece)
            first = False

    def message(number: int, body: bytes) -> bytes:
        size, made = len(body), b""
        while size >= 0x80:
            made += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + made + bytes([size]) + body

    for step in range(1, 2001):
        items = b""
        for name, value in (("_step", step), ("loss", step / 7), ("text", "x" * (step % 97))):
            item = message(1, name.encode()) + b"\x82\x01" + message(0, json.dumps(value).encode())[1:]
            items += message(1, item)
        put(message(2, items))
    file = tmp_path / "run-long.wandb"
    file.write_bytes(blocks)
    assert len(blocks) > 4 * 32768
    run = read(file)
    assert run.series["loss"].values.tolist() == [step / 7 for step in range(1, 2001)]
    assert run.notes == ()


def test_json_lines_csv_and_states_say_the_same(tmp_path: Path):
    history = rows(1)
    paths = (
        write_lines(tmp_path / "a.jsonl", history),
        write_csv(tmp_path / "b.csv", history),
        write_state(tmp_path / "c" / "trainer_state.json", history),
    )
    first, *others = (read(path) for path in paths)
    for other in others:
        assert first.series.keys() == other.series.keys()
        for name, series in first.series.items():
            assert series.steps.tolist() == other.series[name].steps.tolist()
            assert series.values.tolist() == other.series[name].values.tolist()


def test_verls_lines_wrap_their_metrics(tmp_path: Path):
    file = tmp_path / "verl.jsonl"
    file.write_text('{"step": 3, "data": {"actor/ppo_kl": 0.5, "actor": {"lr": 1e-6}}}\n', encoding="utf-8")
    run = read(file)
    assert run.series["actor/ppo_kl"].steps.tolist() == [3]
    assert run.series["actor/lr"].values.tolist() == [1e-6]


def test_the_trainers_step_comes_before_the_loggers(tmp_path: Path):
    file = write_lines(tmp_path / "a.jsonl", [{"_step": 9, "train/global_step": 4, "reward": 1.0}])
    assert read(file).series["reward"].steps.tolist() == [4]
    assert read(file, step="_step").series["reward"].steps.tolist() == [9]


def test_rows_without_a_step_are_counted_and_that_is_said(tmp_path: Path):
    run = read(write_lines(tmp_path / "a.jsonl", [{"reward": 1.0}, {"reward": 2.0}]))
    assert run.series["reward"].steps.tolist() == [1, 2]
    assert "the 2 rows count from 1" in run.notes[0]


def test_a_row_without_a_step_among_others_is_a_head(tmp_path: Path):
    history = [
        {"seed": 3, "size": {"steps": 30}},
        {"step": 0, "reward": 1.0},
        {"step": 1, "reward": 2.0},
        {"end": 1},
    ]
    run = read(write_lines(tmp_path / "a.jsonl", history))
    assert run.series.keys() == {"reward"}
    assert run.series["reward"].steps.tolist() == [0, 1]
    assert run.notes == ()


def test_a_resumed_run_keeps_its_last_branch(tmp_path: Path):
    history = [{"step": step, "reward": 0.0} for step in (1, 2, 3, 4, 5)]
    history += [{"step": step, "reward": 1.0} for step in (3, 4)]
    run = read(write_lines(tmp_path / "a.jsonl", history))
    assert run.series["reward"].steps.tolist() == [1, 2, 3, 4]
    assert run.series["reward"].values.tolist() == [0, 0, 1, 1]
    assert run.notes[0].startswith("resumed at step 3")


def test_rows_of_a_csv_may_stand_in_any_order_and_the_last_one_counts(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("step,reward\n3,3\n1,1\n2,2\n3,4\n", encoding="utf-8")
    run = read(file)
    assert run.series["reward"].values.tolist() == [1, 2, 4]
    assert "twice" in run.notes[0]


def test_an_export_of_wandb_loses_the_runs_name(tmp_path: Path):
    file = tmp_path / "a.csv"
    head = '"Step","tiny-1 - train/reward","tiny-1 - train/reward__MIN","tiny-1 - train/reward__MAX"\n'
    file.write_text(head + '"1","0.5","0.5","0.5"\n', encoding="utf-8")
    assert read(file).series.keys() == {"train/reward"}


def test_broken_lines_are_counted(tmp_path: Path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(
        b'{"step": 1, "kl": 1}\n{"step": 2, "kl"\n\n[1]\n{"step": 3, "kl": NaN}\n' + b"[" * 100_000 + b"\n"
    )
    run = read(file)
    assert run.series["kl"].steps.tolist() == [1, 3]
    assert "3 lines" in run.notes[0]


def test_half_a_line_is_no_number(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("step,kl\n1,0.5\n2,0.", encoding="utf-8")
    (log,) = open_runs([str(file)])
    log.update()
    assert log.run("run").series["kl"].steps.tolist() == [1]
    with file.open("a", encoding="utf-8") as stream:
        stream.write("25\n")
    assert log.update()
    assert log.run("run").series["kl"].values.tolist() == [0.5, 0.25]


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path):
    """Event files and W&B's logs byte by byte, as a writer that is slow would write them."""
    for source, name in ((EVENTS, "train/kl"), (WANDB, "train/kl")):
        file = tmp_path / source.name
        data = source.read_bytes()
        (tmp_path / source.name).write_bytes(data[:10])
        (log,) = open_runs([str(file)])
        for end in [*range(10, len(data), 611), len(data)]:
            file.write_bytes(data[:end])
            log.update()
        found = log.run("run")
        whole = read(source)
        assert found.series[name].values.tolist() == whole.series[name].values.tolist()
        assert found.finished == whole.finished


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path):
    file = write_lines(tmp_path / "a.jsonl", rows(1))
    (log,) = open_runs([str(file)])
    log.update()
    write_lines(file, rows(2, steps=5))
    log.update()
    assert len(log.run("run").series["reward"].steps) == 5


def test_what_is_no_log_is_refused_with_one_line(tmp_path: Path):
    for name, content in (
        ("trainer_state.json", b"{"),
        ("trainer_state.json", b'{"a": 1}'),
        ("trainer_state.json", b"[1]"),
        ("a.jsonl", b"no json\n"),
        ("x.tfevents.1", b"no events at all, but long enough"),
        ("x.wandb", b"nothing"),
        ("a.csv", b"\0\0\0\n"),
        ("a.txt", b"hello"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read(file)
        assert str(file) in caught.value.message
        assert "\n" not in caught.value.message
        file.unlink()


def test_a_whole_output_directory_of_a_trainer_is_one_run(tmp_path: Path):
    for step in (10, 100, 20):
        write_state(tmp_path / f"checkpoint-{step}" / "trainer_state.json", rows(1, steps=step))
    assert len(read(tmp_path).series["reward"].steps) == 100
    events = tmp_path / "runs" / "Nov22_host"
    events.mkdir(parents=True)
    shutil.copy(EVENTS, events)
    assert read(tmp_path).kind == "TensorBoard"  # it goes on after the last checkpoint
    write_state(tmp_path / "trainer_state.json", rows(1, steps=100))
    assert read(tmp_path).kind == "Trainer state"


def test_directories_and_patterns_hold_seeds(tmp_path: Path):
    for seed in (1, 2, 3):
        write_state(tmp_path / f"seed-{seed}" / "trainer_state.json", rows(seed))
    assert len(open_runs([str(tmp_path)])) == 3
    assert len(open_runs([str(tmp_path / "seed-[12]")])) == 2
    assert len(open_runs([str(tmp_path / "seed-1"), str(tmp_path)])) == 3
    for seed in (1, 2):
        write_lines(tmp_path / "loose" / f"{seed}.jsonl", rows(seed))
    assert len(open_runs([str(tmp_path / "loose")])) == 2


def test_nothing_there_is_said(tmp_path: Path):
    for path in (tmp_path / "missing", tmp_path, tmp_path / "*.none"):
        with pytest.raises(InputError):
            open_runs([str(path)])


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05ab", b"\x0f", b"\xff" * 12, b"\x0d\x00"])
def test_bytes_that_are_no_message_are_refused(data: bytes):
    with pytest.raises(WireError):
        list(fields(data))


def test_negative_steps_are_known():
    ((number, value),) = fields(b"\x10" + b"\xff" * 9 + b"\x01")
    assert (number, signed(int(value))) == (2, -1)
