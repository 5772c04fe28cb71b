"""Container images that hold vLLM: `vllm/vllm-openai:v0.8.5`, and those that others build around it."""

from __future__ import annotations

import re

from vllm_migrate.files.located import Pin, PinForm, Span

_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)*[\w.-]+:(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]+)?")
_OWN = re.compile(r"(?:.*/)?vllm/vllm-openai:|(?:.*/)?vllm-cpu-release-repo:")
_RELEASE = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:\.post\d+|rc\d+)?)")
_NAMED = re.compile(r"vllm[-_]?v?(\d+\.\d+\.\d+(?:\.post\d+)?)")


def image_pin(text: str, start: int, end: int) -> Pin | None:
    """The version of vLLM in the image written in `text[start:end]`; None where it names none.

    Only the tags of vLLM's own images can be replaced. Where others put the version into a name, or the tag
    says more than the version, whether there is such an image for another one is not known.
    """
    match = _IMAGE.fullmatch(text, start, end)
    if match is None:
        return None
    own = _OWN.match(text, start, end)
    release = _RELEASE.match(text, match.start("tag"), match.end("tag")) if own else None
    if release is not None:
        plain = release.end() == end
        form = PinForm.VERSION if plain else PinForm.NAMED
        return Pin("vllm", f"=={release[1]}", Span(start, end), Span(*release.span(1)), form=form)
    named = _NAMED.search(text, start, end)
    if named is None:
        return None
    return Pin("vllm", f"=={named[1]}", Span(start, end), Span(*named.span(1)), form=PinForm.NAMED)
