"""VM805: vLLM's version compared as text."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from vllm_migrate.edits.model import AddImport, Level, ReplaceExpression, Safety
from vllm_migrate.rules.base import Example, Rule
from vllm_migrate.rules.finding import make_finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vllm_migrate.edits.model import Edit, Finding
    from vllm_migrate.files.file_facts import FileFacts
    from vllm_migrate.files.located import VersionComparison
    from vllm_migrate.rules.base import Context

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class VersionComparedAsText(Rule):
    """vLLM's version is compared with a bound as text.

    ## What it does
    Finds `vllm.__version__ >= "0.7.0"` and its kin, and makes versions of both sides.

    ## Why it matters
    Text is compared character by character: "0.32.0" comes before "0.7.0". An assertion fails, or the code
    takes the branch for a version that it doesn't run on. Where text and version happen to agree on the
    target it is a note, because a later release may tell them apart.

    ## Fix safety
    Unsafe: the branch that runs on the target is another one than before.
    """

    code = "VM805"
    name = "version-compared-as-text"
    summary = "vLLM's version is compared as text"
    level = Level.WARNING
    safety = Safety.UNSAFE
    examples = (
        Example(
            before=(
                "import re\nfrom importlib.metadata import version\n\n"
                'RELEASE = version("vllm")\nif BUILT:\n'
                '    RELEASE = re.match(r"(\\d+\\.\\d+\\.\\d+)", RELEASE).group(1)\n'
                'old = RELEASE <= "0.6.3"\n'
            ),
            after=(
                "import re\nfrom importlib.metadata import version\nfrom packaging.version import Version\n\n"
                'RELEASE = version("vllm")\nif BUILT:\n'
                '    RELEASE = re.match(r"(\\d+\\.\\d+\\.\\d+)", RELEASE).group(1)\n'
                'old = Version(RELEASE) <= Version("0.6.3")\n'
            ),
            unsafe=True,
        ),
        Example(
            before='import vllm\n\nassert vllm.__version__ >= "0.7.0", "vllm is too old"\n',
            after=(
                "import vllm\n"
                "from packaging.version import Version\n"
                "\n"
                'assert Version(vllm.__version__) >= Version("0.7.0"), "vllm is too old"\n'
            ),
            unsafe=True,
        ),
        Example(
            before=(
                "import vllm\nfrom packaging.version import Version\n\n"
                'if Version(vllm.__version__) >= Version("0.7.0"):\n    print("new")\n'
            ),
            unchanged=True,
        ),
        Example(before='import torch\n\nnew = torch.__version__ >= "2.1.0"\n', unchanged=True),
    )

    def find(self, file: FileFacts, context: Context) -> Iterator[Finding]:
        """Yield comparisons of text with text."""
        for comparison in file.comparisons:
            if comparison.dead:
                continue
            compare = _ORDER[comparison.operator]
            target = context.target.version
            as_text = compare(str(target), comparison.bound)
            wrong = as_text != compare(target, Version(comparison.bound))
            said = f"{file.text(comparison.span)} compares text"
            level = Level.ERROR if wrong and comparison.asserted else Level.WARNING if wrong else Level.NOTE
            yield make_finding(
                self,
                file,
                comparison.span,
                f"{said}: it is {as_text} on vLLM {target}"
                + (", though the opposite is true" if wrong else ""),
                level=level,
                edits=_edits(file, comparison),
                advice="compare packaging.version.Version of both sides",
                precondition="the branch that is right for the target's version works there",
            )


def _edits(file: FileFacts, comparison: VersionComparison) -> tuple[Edit, ...]:
    """Both sides as versions; none where the file means something else by `Version`."""
    if any(
        name.alias == "Version" and name.qualified != "packaging.version.Version" for name in file.imports
    ):
        return ()
    sides = (comparison.version_span, comparison.bound_span)
    return (
        *(ReplaceExpression(side, f"Version({file.text(side)})") for side in sides),
        AddImport("packaging.version", "Version"),
    )
