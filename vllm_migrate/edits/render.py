"""From the codemod's output to byte splices that are verified to agree with it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vllm_migrate.edits.blocks import RefusedError
from vllm_migrate.edits.model import Splice
from vllm_migrate.edits.splice import apply_splices, minimal_splices
from vllm_migrate.files.python import parse_text

if TYPE_CHECKING:
    from vllm_migrate.edits.codemod import Codemod
    from vllm_migrate.edits.located import Document
    from vllm_migrate.files.positions import SourceText


def splices_of(text: SourceText, codemod: Codemod) -> tuple[Splice, ...]:
    """The smallest byte splices that turn a file into what the codemod makes of it.

    Where libcst reproduces what it was given exactly, the spliced bytes must equal its output and the file's
    tail. Where it drops form feeds, the splices keep them, and both must have the same syntax tree.

    Raises:
        RefusedError: where the two disagree.
    """
    output = codemod.run()
    document = codemod.document
    places = _Places(text, document)
    splices = [
        Splice(places.byte(start, ends=start == end), places.byte(end, ends=True), text.encode(new))
        for start, end, new in minimal_splices(document.rendered, output)
    ]
    after = apply_splices(text.source, splices)
    if document.exact and after[text.mark :] != text.encode(output + document.tail):
        raise RefusedError("the splices and the codemod disagree")
    if not document.exact and _tree(after[text.mark :].decode(text.encoding)) != _tree(output):
        raise RefusedError("the splices and the codemod disagree")
    splices += [
        Splice(change.span.start, change.span.end, text.encode(change.text)) for change in codemod.texts
    ]
    return tuple(sorted(splices, key=lambda s: (s.start, s.end)))


class _Places:
    """Character offsets into libcst's rendering as byte offsets into the file."""

    def __init__(self, text: SourceText, document: Document) -> None:
        self._text = text
        self._document = document

    def byte(self, offset: int, *, ends: bool = False) -> int:
        """The byte offset; where form feeds stand at the place, what ends there comes before them."""
        if not self._document.exact:
            offset = self._in_source(offset, ends=ends)
        return self._text.mark + len(self._text.encode(self._document.parsed[:offset]))

    def _in_source(self, offset: int, *, ends: bool) -> int:
        parsed = self._document.parsed
        wanted = offset - self._document.rendered.count("\f", 0, offset)
        seen = 0
        for index, character in enumerate(parsed):
            if seen == wanted and (ends or character != "\f"):
                return index
            seen += character != "\f"
        return len(parsed)


def _tree(text: str) -> str:
    try:
        return ast.dump(parse_text(text))
    except SyntaxError as error:
        raise RefusedError(f"the edited file would not parse: {error.msg}") from None
