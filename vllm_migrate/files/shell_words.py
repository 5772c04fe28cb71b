"""A shell script as commands of words with byte positions: enough of POSIX shell and bash to edit safely.

The text is read as latin-1, so an offset into it is a byte offset whatever the file's encoding. Quotes,
`$(...)`, `${...}`, backquotes, comments, line continuations, arrays, redirections and heredocs are understood
as far as needed to know where a word begins and ends; nothing is expanded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vllm_migrate.errors import InputError
from vllm_migrate.files.located import Span


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        text: as written, in latin-1; `[start, end)` its bytes.
        gap: end of the word before it in the same command, or `start` where it is the first; what lies
            between is blank or a continuation, so removing `[gap, end)` removes the word and leaves a valid
            command.
    """

    text: str
    start: int
    end: int
    gap: int

    @property
    def bare(self) -> str:
        """The text without its quotes where it is one plain or quoted piece, else as written."""
        return unquote(self.text)


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command.

    Attributes:
        words: its words, assignments before it and arguments after it; redirections are left out.
        opener: what precedes it: "" (start of line or `;`), a keyword such as "then" or "do", or an operator.
        closer: what follows it: a newline, ";", "&&", "||", "|", "&", ")" or "" at the end of the file.
        end: where `closer` begins.
        alone_in: True where it is all there is between its opener and a closing keyword: without it, no valid
            script.
    """

    words: tuple[Word, ...]
    opener: str = ""
    closer: str = ""
    end: int = 0
    alone_in: bool = False


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document.

    Attributes:
        line: the line with its `<<`, and those it continues; `body` what the command is given.
        quoted: the mark is quoted, so that nothing in the body is expanded.
        tabs: `<<-`: tabs that begin a line are no part of it.
    """

    line: Span
    body: Span
    quoted: bool
    tabs: bool


_QUOTED_PART = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)
_OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|[;&|()]")
_REDIRECT = re.compile(r"\d*(?:<<<|<<-?|>>|>\||<>|[<>]&|&>>|&>|[<>])")
_BLANK = re.compile(r"(?:[ \t]|\\\r?\n)+")
_PLAIN = re.compile(r"""[^\s;&|()<>"'\\$`#]+""")  # \s: a carriage return is no part of a word
_OPENERS = frozenset({"then", "do", "else", "elif", "if", "while", "until", "{", "!", "time"})
_CLOSERS = frozenset({"fi", "done", "else", "elif", "esac", "}"})


def unquote(text: str) -> str:
    """`text` with quotes and backslashes taken away as the shell does, expansions left as they are."""
    if not any(mark in text for mark in "\"'\\"):
        return text
    return _QUOTED_PART.sub(lambda m: next((g for g in m.groups() if g is not None), ""), text)


def commands(text: str, start: int, end: int) -> list[Command]:
    """The simple commands of the script in `text[start:end]`, in order, with offsets into `text`.

    Raises:
        InputError: where a quote or bracket is never closed, or a block holds no command.
    """
    return _Reader(text, start, end).read()


def heredocs(text: str, start: int, end: int) -> list[Heredoc]:
    """The here-documents of a script, in order. Raises as `commands` does."""
    reader = _Reader(text, start, end)
    reader.read()
    return reader.bodies


def words_within(text: str, start: int, end: int) -> tuple[Word, ...]:
    """The words of a list that stands inside `[start, end)`: an array's elements, or a string of options."""
    found = _Reader(text, start, end, newlines_are_blank=True).read()
    return tuple(word for command in found for word in command.words)


@dataclass
class _Reader:
    text: str
    at: int
    end: int
    found: list[Command] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    heredocs: list[tuple[str, bool, int]] = field(default_factory=list)  # mark, `<<-`, where the mark stands
    bodies: list[Heredoc] = field(default_factory=list)
    opener: str = ""
    last_end: int = 0
    newlines_are_blank: bool = False

    def read(self) -> list[Command]:
        while self.at < self.end:
            self._step()
        self._finish("")
        return self.found

    def _step(self) -> None:
        text = self.text
        blank = _BLANK.match(text, self.at, self.end)
        if blank:
            self.at = blank.end()
            return
        char = text[self.at]
        if char in "\r\n":
            if char == "\n" and not self.newlines_are_blank:
                self._finish("\n")
                self.at += 1
                self._skip_heredocs()
            else:
                self.at += 1
        elif char == "#":
            newline = text.find("\n", self.at, self.end)
            self.at = self.end if newline < 0 else newline
        elif redirect := _REDIRECT.match(text, self.at, self.end):
            self._redirect(redirect)
        elif operator := _OPERATOR.match(text, self.at, self.end):
            self._finish(operator.group())
            self.at = operator.end()
            if operator.group() == "(":
                self.opener = "("
        else:
            self._word()

    def _word(self) -> None:
        start = self.at
        self.at = self._word_end(start)
        word = Word(self.text[start : self.at], start, self.at, self._gap(start))
        if not self.words and word.text in _OPENERS | _CLOSERS:
            if word.text in _CLOSERS:
                self._close_block(word)
            self.opener = word.text if word.text in _OPENERS else "}"
            return
        self.words.append(word)
        self.last_end = self.at

    def _gap(self, start: int) -> int:
        if not self.words:
            return start
        between = self.text[self.last_end : start]
        if not between.replace("\\", "").strip():
            return self.last_end
        return start - (len(between) - len(between.rstrip(" \t")))  # a comment stands between: it stays

    def _word_end(self, at: int) -> int:
        text, end = self.text, self.end
        while at < end:
            char = text[at]
            plain = _PLAIN.match(text, at, end)
            if plain:
                at = plain.end()
                if text[at : at + 1] == "(" and text[at - 1] == "=":
                    at = self._bracket(at, "(", ")")  # an array: NAME=(a b c)
            elif char == "\\":
                at += 2
            elif char == "'":
                at = self._find("'", at + 1)
            elif char == '"':
                at = self._double(at)
            elif char == "`":
                at = self._find("`", at + 1)
            elif char == "$":
                at = self._dollar(at)
            elif char == "#":
                at += 1
            elif char in "<>" and text[at + 1 : at + 2] == "(":
                at = self._bracket(at + 1, "(", ")")
            else:
                break
        return min(at, end)

    def _dollar(self, at: int) -> int:
        after = self.text[at + 1 : at + 2]
        if after == "(":
            return self._bracket(at + 1, "(", ")")
        if after == "{":
            return self._bracket(at + 1, "{", "}")
        if after == "'":
            return self._ansi(at + 2)
        return at + 1

    def _ansi(self, at: int) -> int:
        while at < self.end and self.text[at] != "'":
            at += 2 if self.text[at] == "\\" else 1
        return at + 1

    def _find(self, mark: str, at: int) -> int:
        found = self.text.find(mark, at, self.end)
        if found < 0:
            raise InputError(f"line {self.text.count(chr(10), 0, at) + 1}: a {mark} is never closed")
        return found + 1

    def _double(self, at: int) -> int:
        opened = at
        at += 1
        while at < self.end and self.text[at] != '"':
            char = self.text[at]
            if char == "\\":
                at += 2
            elif char == "$":
                at = self._dollar(at) if self.text[at + 1 : at + 2] in "({" else at + 1
            elif char == "`":
                at = self._find("`", at + 1)
            else:
                at += 1
        if at >= self.end:
            raise InputError(f'line {self.text.count(chr(10), 0, opened) + 1}: a " is never closed')
        return at + 1

    def _bracket(self, at: int, opening: str, closing: str) -> int:
        """The offset behind the bracket that closes the one at `at`."""
        opened, depth = at, 0
        while at < self.end:
            char = self.text[at]
            if char == opening:
                depth += 1
            elif char == closing:
                depth -= 1
                if depth == 0:
                    return at + 1
            elif char == "\\":
                at += 1
            elif char == "'" and opening == "(":
                at = self._find("'", at + 1) - 1
            elif char == '"':
                at = self._double(at) - 1
            elif char == "`":
                at = self._find("`", at + 1) - 1
            elif char == "$" and self.text[at + 1 : at + 2] == "{" and opening == "(":
                at = self._bracket(at + 1, "{", "}") - 1
            elif char == "#" and opening == "(" and self.text[at - 1] in " \t\n":
                newline = self.text.find("\n", at, self.end)
                at = self.end - 1 if newline < 0 else newline - 1
            at += 1
        raise InputError(f"line {self.text.count(chr(10), 0, opened) + 1}: a {opening} is never closed")

    def _redirect(self, redirect: re.Match[str]) -> None:
        operator = redirect.group().lstrip("0123456789")
        self.at = redirect.end()
        if text_is_process_substitution(self.text, redirect):
            self.at = redirect.start()
            self._word()
            return
        blank = _BLANK.match(self.text, self.at, self.end)
        start = blank.end() if blank else self.at
        self.at = self._word_end(start)
        if operator in ("<<", "<<-"):
            self.heredocs.append((self.text[start : self.at], operator == "<<-", start))
        if self.words:
            self.last_end = self.at

    def _skip_heredocs(self) -> None:
        opened = self.at
        for written, tabs, place in self.heredocs:
            mark = unquote(written)
            begin = end = self.at
            while self.at < self.end:
                newline = self.text.find("\n", self.at, self.end)
                stop = self.end if newline < 0 else newline
                line = self.text[self.at : stop].rstrip("\r")
                self.at = min(stop + 1, self.end)
                if (line.lstrip("\t") if tabs else line) == mark:
                    break
                end = self.at
            first = self.text.rfind("\n", 0, place) + 1
            while self.text[:first].endswith(("\\\n", "\\\r\n")):
                first = self.text.rfind("\n", 0, first - 1) + 1
            self.bodies.append(Heredoc(Span(first, opened), Span(begin, end), mark != written, tabs))
        self.heredocs.clear()

    def _finish(self, closer: str) -> None:
        if self.words:
            self.found.append(Command(tuple(self.words), self.opener, closer, self.at))
            self.words.clear()
            self.opener = ""
        if closer not in ("\n", ""):
            self.opener = closer if closer in ("&&", "||", "|", "|&") else ""

    def _close_block(self, closer: Word) -> None:
        """A closing keyword: where the last command follows its opener directly, it can't go."""
        if self.opener in ("then", "do", "else", "{"):
            line = self.text.count("\n", 0, closer.start) + 1
            raise InputError(f"line {line}: no command between {self.opener} and {closer.text}")
        if self.found and self.found[-1].opener in _OPENERS:
            last = self.found[-1]
            self.found[-1] = Command(last.words, last.opener, last.closer, last.end, alone_in=True)


def text_is_process_substitution(text: str, redirect: re.Match[str]) -> bool:
    """Whether what looks like a redirection is `<(...)` or `>(...)`, which is a word."""
    return redirect.group() in ("<", ">") and text[redirect.end() : redirect.end() + 1] == "("
