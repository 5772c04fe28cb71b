"""What makes a finding the same one tomorrow.

Its rule, its file, the code it is about, and which one of several alike it is. No line number, so that it
stays the same when the code around it moves.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Span

_LONGEST = 200
_CONTINUATION = re.compile(r"\\\r?\n")
_BLANK_AT_SIGN = re.compile(r"(?<!\w) | (?!\w)")
_LAST_COMMA = re.compile(r",(?=[)\]}])")


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """One finding, wherever it stands in its file.

    Attributes:
        path: of its file, with forward slashes.
        snippet: the code it is about, normalised by `snippet`.
        occurrence: 0 for the first finding of this path, code and snippet, 1 for the next.
    """

    path: str
    code: str
    snippet: str
    occurrence: int

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        parts = "\0".join((self.code, self.path, self.snippet, str(self.occurrence)))
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def fingerprints(
    findings: Iterable[Finding],
    facts: Mapping[PurePosixPath, FileFacts],
    path_of: Callable[[PurePosixPath], str],
) -> list[Fingerprint]:
    """The fingerprints of findings, in their order; all different.

    Args:
        findings: in the order of their places.
        facts: of the findings' files.
        path_of: a finding's path as the fingerprint is to have it.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    found: list[Fingerprint] = []
    for finding in findings:
        file = facts[finding.path]
        key = (path_of(finding.path), finding.code, snippet(file.source, finding.span, file.encoding))
        found.append(Fingerprint(*key, seen[key]))
        seen[key] += 1
    return found


def snippet(source: bytes, span: Span, encoding: str = "utf-8") -> str:
    """The code at `span` on one line, the same whichever way a formatter lays it out.

    Blanks remain only between words, a closing bracket has no comma before it, quotes are double. An empty
    span stands for its line. What is long is cut and ends in a hash of all of it.
    """
    text = _squeezed(source[span.start : span.end].decode(encoding, "backslashreplace"))
    if not text:
        start = source.rfind(b"\n", 0, span.start) + 1
        end = source.find(b"\n", span.start)
        line = source[start : len(source) if end < 0 else end]
        text = _squeezed(line.decode(encoding, "backslashreplace"))
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}…{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _squeezed(text: str) -> str:
    words = " ".join(_CONTINUATION.sub(" ", text).split()).strip(" ,\\")
    return _LAST_COMMA.sub("", _BLANK_AT_SIGN.sub("", words)).replace("'", '"')
