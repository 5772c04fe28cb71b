"""Files inside files: the code of a notebook, the commands of a Dockerfile, the examples of a document.

A part is a file of its own to every rule. What is in it is text taken out of the file around it, piece by
piece, and each piece knows where it comes from, so that what is found in the part can be said, and what is
edited in it written, in the file around it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from vllm_migrate.files.located import Span

if TYPE_CHECKING:
    from vllm_migrate.files.file_facts import FileFacts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a part: `size` bytes from `at` stand for the bytes `[start, end)` of the file around it.

    Where both have the same length they correspond byte by byte, unless the piece is `solid`: then it stands
    for its place as a whole (an escape, a masked command, a separator that isn't there).
    """

    at: int
    size: int
    start: int
    end: int
    solid: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """From byte `at` of a part on, its lines are those from `line` on of `name` ("cell 3")."""

    at: int
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside another.

    Attributes:
        facts: what was found in it; its path is that of the file around it.
        segments: where its bytes come from, in order, without gaps.
        origins: how its places are called; empty where lines of the file around it say enough.
        borders: where a cell begins behind another; the newline before it belongs to neither.
        whole: what goes from the file around it once nothing is left of the part; None where that can't go.
        quoted: it is shown, not run: what is found in it is a note, nothing is edited, and it says nothing
            about the project.
        words: it is written as a JSON array of words.
    """

    facts: FileFacts
    segments: tuple[Segment, ...]
    origins: tuple[Origin, ...] = ()
    whole: Span | None = None
    quoted: bool = False
    words: bool = False
    borders: tuple[int, ...] = ()

    def outward(self, span: Span) -> Span:
        """Where a span of the part lies in the file around it."""
        start = self._start(span.start)
        return Span(start, start if span.start == span.end else max(start, self._end(span.end)))

    def _start(self, offset: int) -> int:
        if not self.segments:
            return 0
        segment = self.segments[max(0, bisect_right(self.segments, offset, key=lambda s: s.at) - 1)]
        if offset >= segment.at + segment.size:
            return segment.end
        return segment.start if segment.solid else segment.start + offset - segment.at

    def _end(self, offset: int) -> int:
        segment = self.segments[max(0, bisect_right(self.segments, offset - 1, key=lambda s: s.at) - 1)]
        return segment.end if segment.solid else segment.start + offset - segment.at

    def place_name(self, span: Span) -> str:
        """What a reader calls the place of a span, "cell 3, line 2"; "" where the line of the file does."""
        index = bisect_right(self.origins, span.start, key=lambda origin: origin.at) - 1
        if index < 0:
            return ""
        origin = self.origins[index]
        line = origin.line + self.facts.source.count(b"\n", origin.at, span.start)
        return f"{origin.name}, line {line}"


def outward(value: T, part: Part) -> T:
    """A fact or edit of a part with the spans it has in the file around it."""
    moved: Any = value
    if isinstance(value, Span):
        moved = part.outward(value)
    elif isinstance(value, tuple):
        moved = tuple(outward(one, part) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: outward(getattr(value, f.name), part) for f in fields(value)}
        moved = replace(value, **changed)
    return moved  # type: ignore[no-any-return]  # the same type with other numbers


class Collector:
    """Puts the text of a part together and keeps where each piece comes from."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._pieces: list[bytes] = []
        self._segments: list[Segment] = []
        self.size = 0

    def take(self, start: int, end: int) -> None:
        """The bytes `[start, end)` as they are."""
        if start < end:
            self._add(Segment(self.size, end - start, start, end), self._source[start:end])

    def put(self, text: bytes, start: int, end: int) -> None:
        """`text` in place of the bytes `[start, end)`."""
        if text:
            self._add(Segment(self.size, len(text), start, end, solid=True), text)

    def _add(self, segment: Segment, text: bytes) -> None:
        last = self._segments[-1] if self._segments else None
        if last is not None and not (last.solid or segment.solid) and last.end == segment.start:
            self._segments[-1] = Segment(last.at, last.size + segment.size, last.start, segment.end)
        else:
            self._segments.append(segment)
        self._pieces.append(text)
        self.size += len(text)

    @property
    def text(self) -> bytes:
        """What was collected."""
        return b"".join(self._pieces)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Where it comes from."""
        return tuple(self._segments)
