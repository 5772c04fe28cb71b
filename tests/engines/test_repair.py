from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from vllm_migrate.engines import repair
from vllm_migrate.errors import ProvisionError

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to make shared objects")

OTHER = "_ZSt5otherv"


def build(folder, name, source, *options):
    code = folder / f"{name}.c"
    code.write_text(source, encoding="utf-8")
    target = folder / name
    subprocess.run(
        [shutil.which("gcc"), "-shared", "-fPIC", "-nostdlib", "-o", str(target), str(code), *options],
        check=True,
        timeout=60,
    )
    return target


def library(folder, versions):
    """A library `libold.so.1` that defines one function under each of the given versions."""
    script = folder / "versions.map"
    script.write_text(
        "".join(f"{v} {{ global: {'; '.join(n)}; }};\n" for v, n in versions.items()), encoding="utf-8"
    )
    source = "".join(f"void {name}(void) {{}}\n" for names in versions.values() for name in names)
    return build(folder, "libold.so.1", source, f"-Wl,--version-script={script}", "-Wl,-soname,libold.so.1")


def user(folder, *symbols):
    """A shared object that needs those symbols without ever calling them."""
    source = (
        "".join(f'__asm__(".globl {symbol}");\n' for symbol in symbols) + "int answer(void) { return 42; }\n"
    )
    return build(
        folder,
        "user.so",
        source,
        f"-L{folder}",
        "-l:libold.so.1",
        "-Wl,--no-as-needed",
        f"-Wl,-rpath,{folder}",
    )


def loads(path):
    code = f"import ctypes; assert ctypes.CDLL({str(path)!r}).answer() == 42"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode == 0, done.stderr


@pytest.fixture
def needy(tmp_path):
    """A shared object linked against a library with GLIBCXX_3.4.32, of which only an older one is left."""
    library(tmp_path, {"GLIBCXX_3.4.31": ["older"], repair.VERSION: [repair.SYMBOL, OTHER]})
    path = user(tmp_path, "older", repair.SYMBOL)
    library(tmp_path, {"GLIBCXX_3.4.31": ["older"]})
    return path


def test_it_loads_only_after_the_mend(needy):
    before, why = loads(needy)
    assert not before
    assert repair.VERSION in why
    assert repair.weaken(needy)
    assert loads(needy) == (True, "")


def test_a_second_mend_changes_nothing(needy):
    assert repair.weaken(needy)
    once = needy.read_bytes()
    assert not repair.weaken(needy)
    assert needy.read_bytes() == once


def test_other_links_to_the_file_keep_what_they_had(needy, tmp_path):
    linked = tmp_path / "cached.so"
    linked.hardlink_to(needy)
    original = linked.read_bytes()
    assert repair.weaken(needy)
    assert linked.read_bytes() == original
    assert needy.read_bytes() != original
    assert needy.stat().st_ino != linked.stat().st_ino
    assert needy.stat().st_mode == linked.stat().st_mode
    assert sorted(path.suffix for path in tmp_path.glob(".user*")) == []


def test_any_other_symbol_is_refused_and_nothing_is_written(tmp_path):
    library(tmp_path, {"GLIBCXX_3.4.31": ["older"], repair.VERSION: [repair.SYMBOL, OTHER]})
    path = user(tmp_path, repair.SYMBOL, OTHER)
    before = path.read_bytes()
    with pytest.raises(ProvisionError, match=OTHER):
        repair.weaken(path)
    assert path.read_bytes() == before


def test_an_object_that_does_not_need_it_is_left_alone(tmp_path):
    library(tmp_path, {"GLIBCXX_3.4.31": ["older"]})
    path = user(tmp_path, "older")
    assert not repair.weaken(path)


@pytest.mark.parametrize("content", [b"", b"not an elf file at all", b"\x7fELF\x02\x01" + b"\xff" * 200])
def test_what_is_no_elf_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.so"
    path.write_bytes(content)
    with pytest.raises(ProvisionError):
        repair.weaken(path)
    assert path.read_bytes() == content


def test_preload_only_where_the_release_insists(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    worker = packages / "vllm" / "v1" / "worker" / "cpu_worker.py"
    worker.parent.mkdir(parents=True)
    worker.write_text('logger.warning("%s is not found in LD_PRELOAD", name)\n', encoding="utf-8")
    assert repair.provide_preload(tmp_path, packages, tmp_path) == ()
    worker.write_text(
        'raise RuntimeError(\n    f"{name} is not found in LD_PRELOAD. "\n)\n', encoding="utf-8"
    )
    with pytest.raises(ProvisionError, match="libiomp5"):
        repair.provide_preload(tmp_path, packages, tmp_path)
    (tmp_path / "lib" / "libiomp5.so").touch()
    first, second = repair.provide_preload(tmp_path, packages, tmp_path)
    assert first.endswith("libiomp5.so")
    assert "libtcmalloc" in second
