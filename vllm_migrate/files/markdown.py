"""Documents: their code blocks are read like files of their own, and only reported.

Python blocks are one module, as a reader takes them; one that is no Python (pseudo-code, an excerpt) is
passed over, as prose is. Prompts of consoles and of the Python shell are taken off, what they print is left
out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.code_blocks import directives, fenced
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import Span
from vllm_migrate.files.magics import is_python
from vllm_migrate.files.parts import Collector, Part
from vllm_migrate.files.text import as_latin1, newline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import PurePosixPath

    from vllm_migrate.files.code_blocks import Block

    Reader = Callable[[FileKind, bytes], FileFacts]

_LANGUAGES = {
    **dict.fromkeys(("python", "py", "python3", "ipython", "pycon", "ipython3"), FileKind.PYTHON),
    **dict.fromkeys(
        ("bash", "sh", "shell", "zsh", "console", "shell-session", "terminal", "shellsession"), FileKind.SHELL
    ),
    **dict.fromkeys(("yaml", "yml"), FileKind.YAML),
    **dict.fromkeys(("dockerfile", "docker"), FileKind.DOCKERFILE),
    "toml": FileKind.TOML,
}
_PYTHON_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?: |(?=\r?\n|\Z))")
_SHELL_PROMPT = re.compile(r"[ \t]*(?:\([\w.-]+\)[ \t]*)?([\w.@:~/-]*[$%#]|>)[ \t]+(?=\S)")
_CONSOLES = frozenset({"console", "shell-session", "terminal", "shellsession"})


def read_markdown(path: PurePosixPath, source: bytes, read: Reader) -> FileFacts:
    """The code blocks of a document as quoted parts.

    Args:
        path: of the document; `.rst` is reStructuredText, everything else Markdown.
        source: its bytes.
        read: reads a part as a file of the kind it is of.

    Raises:
        InputError: where the bytes are no text.
    """
    text = as_latin1(source)
    blocks = list(directives(text) if path.suffix == ".rst" else fenced(text))
    parts: list[Part] = []
    module = Collector(source)
    for block in blocks:
        kind = _LANGUAGES.get(block.language)
        if kind is FileKind.PYTHON:
            _add_python(module, source, text, block)
        elif kind is not None:
            lines = _commands(text, block) if kind is FileKind.SHELL else block.lines
            parts += _read(_collected(source, lines), kind, read)
    return FileFacts(
        path=path,
        kind=FileKind.MARKDOWN,
        source=source,
        newline=newline_of(source),
        parts=(*_read(module, FileKind.PYTHON, read), *parts),
    )


def _collected(source: bytes, lines: Iterable[Span]) -> Collector:
    out = Collector(source)
    for line in lines:
        out.take(line.start, line.end)
    return out


def _add_python(module: Collector, source: bytes, text: str, block: Block) -> None:
    """A block's code behind that of the blocks before it, where it is Python."""
    lines: list[Span] = []
    prompts = [_PYTHON_PROMPT.match(text, line.start, line.end) for line in block.lines]
    if any(prompt and ">>>" in prompt.group() for prompt in prompts):
        lines = [
            Span(prompt.end(), line.end) for line, prompt in zip(block.lines, prompts, strict=True) if prompt
        ]
    else:
        lines = list(block.lines)
    try:
        written = _collected(source, lines).text.decode()
    except UnicodeDecodeError:
        return
    try:
        wrong = is_python(written)
    except (ValueError, RecursionError, MemoryError):
        return
    if wrong is None and written.strip():
        for line in lines:
            module.take(line.start, line.end)
        module.put(b"\n", lines[-1].end, lines[-1].end)


def _commands(text: str, block: Block) -> list[Span]:
    """The lines typed into a shell: those behind a prompt and what continues them; all, if none has one.

    In a script `# ...` is a comment: there only `$ ` is a prompt.
    """
    marks = "$%#>" if block.language in _CONSOLES else "$"
    prompts = [_SHELL_PROMPT.match(text, line.start, line.end) for line in block.lines]
    prompts = [prompt if prompt and prompt[1][-1] in marks else None for prompt in prompts]
    if not any(prompts):
        return list(block.lines)
    typed: list[Span] = []
    goes_on = False
    for line, prompt in zip(block.lines, prompts, strict=True):
        if goes_on or prompt is not None:
            start = line.start if goes_on or prompt is None else prompt.end()
            typed.append(Span(start, line.end))
            goes_on = text[line.start : line.end].rstrip().endswith("\\")
    return typed


def _read(out: Collector, kind: FileKind, read: Reader) -> list[Part]:
    if not out.text.strip():
        return []
    try:
        facts = read(kind, out.text)
    except InputError:
        return []  # an excerpt, or another language than it says
    calls = tuple(
        replace(call, at_import=False) for call in facts.calls
    )  # an example leaves out what is usual
    return [Part(replace(facts, calls=calls), out.segments, quoted=True)]
