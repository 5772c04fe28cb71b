"""Which entries of a file of settings are vLLM's, whatever the file is written in: YAML or TOML.

A format says where entries stand and what their values are (`Format`); what an entry means is decided here,
once for all of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vllm_migrate.errors import InputError
from vllm_migrate.files.file_facts import FileFacts
from vllm_migrate.files.images import image_pin
from vllm_migrate.files.located import UNRESOLVED, Argument, Certainty, Form, Pin, Span, Value, Variable
from vllm_migrate.files.pins import pin_in
from vllm_migrate.files.shell import script_facts
from vllm_migrate.files.suppressions import suppressions
from vllm_migrate.files.text import newline_of, shown
from vllm_migrate.files.use import Use
from vllm_migrate.files.yaml_commands import command_flags, flat
from vllm_migrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import PurePosixPath

    from vllm_migrate.files.kinds import FileKind
    from vllm_migrate.files.yaml_lines import Entry

_CERTAIN = frozenset(
    {"engine_kwargs", "vllm_kwargs", "engine_args", "vllm_engine_kwargs", "llm_kwargs", "vllm_args"}
)
_LIKELY = frozenset({"vllm", "vllm_config", "rollout", "vllm_engine"})
_SAMPLING = frozenset({"sampling_params", "sampling_kwargs", "sampling_config"})
_HYDRA = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_", "defaults"})
NOWHERE: Mapping[tuple[str, ...], str] = MappingProxyType({})
_BACKENDS = frozenset({"vllm", "sglang", "hf", "trtllm"})
_ENVIRONMENT = frozenset({"env", "envs", "env_vars", "environment", "environment_variables", "variables"})
_SCRIPTS = frozenset(
    {"run", "setup", "script", "command", "cmd", "entrypoint", "before_script", "after_script", "args"}
)
_PACKAGES = frozenset({"pip", "packages", "dependencies", "requirements", "pip_packages"})
_VARIABLE_NAME = re.compile(r"VLLM_[A-Z0-9_]+")
_ITEM = re.compile(r"""["']?([A-Za-z_]\w*)=""")


_TARGETS = {
    "LLM": "engine",
    "EngineArgs": "engine",
    "AsyncEngineArgs": "engine",
    "SamplingParams": "sampling",
}
"""Classes that Hydra's `_target_` builds with the keys beside it."""


_INFERENCE = "inference"
_BELOW = frozenset({"model", "engine", "vllm", "parallel"})
"""A section that may be about any model of anybody's: `_TELLING` keys in it say that it is an engine's, and
so do those in the sections of these names below it."""

_TELLING = frozenset(
    {
        "gpu_memory_utilization", "tensor_parallel_size", "enforce_eager", "max_num_seqs", "max_model_len",
        "enable_prefix_caching", "swap_space", "max_num_batched_tokens", "enable_chunked_prefill",
    }
)  # fmt: skip
_PACKAGING = frozenset(
    {
        "project", "build-system", "dependency-groups", "dependencies", "dev-dependencies",
        "pypi-dependencies", "packages", "dev-packages", "sources", "feature", "environments", "extras",
    }
)  # fmt: skip
"""Tables of packaging tools: what stands in one called `vllm` below them is about the package."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a kind of file writes its settings.

    Attributes:
        kind: of the file.
        literal: the value of a scalar as written, `UNRESOLVED` where it is anything else.
        entry_span, item_span: what goes with an entry, and with an item of a list.
        inside: where the text of a string begins and ends, and whether it has its lines to itself.
        scripts: keys whose entries are commands, whatever they are called.
    """

    kind: FileKind
    literal: Callable[[str], object]
    entry_span: Callable[[str, list[Entry], Entry], Span]
    item_span: Callable[[str, Entry], Span]
    inside: Callable[[str, Entry], tuple[int, int, bool]]
    scripts: frozenset[str] = frozenset()


class SettingsReader:
    """Reads one file: its text with a character per byte, and its entries in order."""

    def __init__(
        self, written: Format, text: str, found: list[Entry], reached: Mapping[tuple[str, ...], str]
    ) -> None:
        self.format = written
        self.text = text
        self.found = found
        self.arguments: list[Argument] = []
        self.variables: list[Variable] = []
        self.pins: list[Pin] = []
        self.trains = False
        self.reached = reached
        self.targets = dict(self._built()) if "_target_" in text else {}
        self.inference = {self._section(e) for e in found if e.key in _TELLING and _INFERENCE in e.path}
        self.inference.discard(())
        self.trl = any(entry.key == "use_vllm" and not entry.path for entry in found)

    def facts(self, path: PurePosixPath, source: bytes) -> FileFacts:
        """What the file says about vLLM."""
        for entry in self.found:
            if entry.key:
                self._mapping(entry)
            else:
                self._item(entry)
        self._add(command_flags(self.text, self.found))
        in_process = any(
            v.name == "VLLM_ENABLE_V1_MULTIPROCESSING" and str(v.value.literal) == "0" for v in self.variables
        )
        return FileFacts(
            path=path,
            kind=self.format.kind,
            source=source,
            newline=newline_of(source),
            arguments=tuple(self.arguments),
            variables=tuple(self.variables),
            pins=tuple(self.pins),
            use=Use(
                trains=self.trains or self.trl,
                engine_in_process=in_process,
                in_process_by_variable=in_process,
            ),
            suppressions=suppressions(source),
        )

    def _add(self, more: Iterable[Argument]) -> None:
        """Take on what a command holds, where it isn't known already as a part of a script."""
        known = {argument.name_span for argument in self.arguments}
        self.arguments += [argument for argument in more if argument.name_span not in known]
        self.arguments.sort(key=lambda argument: argument.span)

    def _built(self) -> Iterator[tuple[int, str]]:
        """The entries whose keys Hydra hands to a class of vLLM's, and what takes them."""
        for entry in self.found:
            value = self._literal(entry)
            if entry.key == "_target_" and isinstance(value, str) and value.startswith("vllm."):
                owner = _TARGETS.get(value.rpartition(".")[2])
                if owner:
                    yield entry.parent, owner

    def _mapping(self, entry: Entry) -> None:
        above = entry.path[-1] if entry.path else ""
        if entry.key in ("name", "value") and entry.parent >= 0 and not self.found[entry.parent].key:
            self._named(entry)
        elif _VARIABLE_NAME.fullmatch(entry.key) or (above in _ENVIRONMENT and not self._has_children(entry)):
            self._variable(entry, entry.key, entry.key_span, entry.value)
        elif entry.parent in self.targets and entry.key not in _HYDRA:
            self._argument(entry, self.targets[entry.parent], Certainty.CERTAIN)
        elif entry.path in self.reached and entry.key not in _HYDRA:
            self._argument(entry, self.reached[entry.path], Certainty.CERTAIN)
        elif above in _CERTAIN or (above == "vllm" and len(entry.path) > 1 and entry.path[-2] in _CERTAIN):
            if entry.key not in _BACKENDS:
                self._argument(entry, "engine", Certainty.CERTAIN)
        elif above in _LIKELY and entry.key not in _CERTAIN:
            if not _PACKAGING.intersection(entry.path[:-1]):
                self._argument(entry, "engine", Certainty.LIKELY)
        elif self.inference and self._section(entry) in self.inference:
            self._argument(entry, "engine", Certainty.LIKELY)
        elif above in _SAMPLING:
            self._argument(entry, "sampling", Certainty.LIKELY)
        elif self.trl and not entry.path:
            self._argument(entry, "trl.GRPOConfig", Certainty.LIKELY)
        elif entry.key in ("image", "tag"):
            self._image(entry)
        if (entry.key in _SCRIPTS or above in self.format.scripts) and not self._has_children(entry):
            self._script(entry)

    @staticmethod
    def _section(entry: Entry) -> tuple[str, ...]:
        """The keys that lead to the `inference` section an entry belongs to, () where it belongs to none."""
        path = entry.path[:-1] if entry.path and entry.path[-1] in _BELOW else entry.path
        return path if path and path[-1] == _INFERENCE else ()

    def _literal(self, entry: Entry) -> object:
        return self.format.literal(self.text[entry.value.start : entry.value.end])

    def _has_children(self, entry: Entry) -> bool:
        return entry.children > 0

    def _item(self, entry: Entry) -> None:
        above = entry.path[-1] if entry.path else ""
        if entry.value.start == entry.value.end or entry.children:
            return
        written = self.text[entry.value.start : entry.value.end]
        quote = written[:1] in ("'", '"')
        if above in _PACKAGES or "pip" in entry.path:
            pin = pin_in(self.text, entry.value.start + quote, entry.value.end - quote)
            if pin is not None:
                self.pins.append(pin)
            return
        match = _ITEM.match(written)
        if match and (above in _ENVIRONMENT or _VARIABLE_NAME.fullmatch(match[1])):
            start = entry.value.start
            value = Span(start + match.end(), entry.value.end - quote)
            self._variable(entry, match[1], Span(start + match.start(1), start + match.end(1)), value)
        elif above in _SCRIPTS and (not entry.flow or (quote and " " in written)):
            self._script(entry)

    def _named(self, entry: Entry) -> None:
        """Kubernetes' form: `- name: X` with `value: y` beside it; the item goes as a whole."""
        name = self._literal(entry)
        if entry.key != "name" or not isinstance(name, str) or not _VARIABLE_NAME.fullmatch(name):
            return
        value = next((e for e in self.found if e.parent == entry.parent and e.key == "value"), None)
        item = self.found[entry.parent] if entry.parent >= 0 else entry
        if value is not None and not item.key:
            span = self.format.item_span(self.text, item)
            self.variables.append(Variable(name, self._value(value.value), "set", span, entry.value))

    def _image(self, entry: Entry) -> None:
        """An image with its tag; or, as Helm's charts have them, the tag beside its repository."""
        start, end = entry.value.start, entry.value.end
        quote = self.text[start : start + 1] in ("'", '"')
        written = self.text[start + quote : end - quote]
        if entry.key == "tag":
            beside = [e for e in self.found if e.parent == entry.parent and e.key == "repository"]
            name = self._literal(beside[0]) if beside else None
            pin = image_pin(f"{name}:{written}", 0, len(f"{name}:{written}")) if name else None
            if pin is None or pin.specifier_span.start < len(str(name)):
                return
            back = start + quote - len(f"{name}:")
            place = Span(pin.specifier_span.start + back, pin.specifier_span.end + back)
            self.pins.append(replace(pin, span=entry.value, specifier_span=place))
            return
        pin = image_pin(self.text, start + quote, end - quote)
        if pin is not None:
            self.pins.append(pin)

    def _variable(self, entry: Entry, name: str, name_span: Span, value: Span) -> None:
        span = self.format.entry_span(self.text, self.found, entry)
        self.variables.append(Variable(name, self._value(value), "set", span, name_span))

    def _argument(self, entry: Entry, owner: str, certainty: Certainty) -> None:
        value = entry.value if entry.value.end > entry.value.start else None
        found = Argument(
            owner,
            entry.key,
            self._value(entry.value, nested=entry.children > 0),
            Form.KEY,
            self.format.entry_span(self.text, self.found, entry),
            entry.key_span,
            value,
            certainty=certainty,
        )
        self.arguments.append(found)

    def _value(self, span: Span, *, nested: bool = False) -> Value:
        written = self.text[span.start : span.end]
        found = UNRESOLVED if nested else self.format.literal(written)
        return Value(shown(written), shown(found) if isinstance(found, str) else found)

    def _script(self, entry: Entry) -> None:
        start, end, block = self.format.inside(self.text, entry)
        if b"vllm" not in self.text[start:end].lower().encode("latin-1"):
            return
        try:
            text = flat(self.text, entry)
            inside = script_facts(text, start, end, whole_lines=block and text is self.text)
        except InputError:
            return  # no shell script: prose, or another language
        self.arguments.extend(inside.arguments)
        self.variables.extend(inside.variables)
        self.pins.extend(inside.pins)
        self.trains = self.trains or inside.trains
