"""A page as a document of its own: no script, nothing from the network, all of its style in it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from vllm_migrate.report.audit_html.markup import text

if TYPE_CHECKING:
    from collections.abc import Iterable

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, style: str, parts: Iterable[str]) -> str:
    """The document.

    Args:
        title: plain text.
        style: a style sheet of ours, with a line feed at its end.
        parts: markup; empty ones are left out.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def style_of(package: str) -> str:
    """The style sheet of one of the packages of `report`."""
    sheet = resources.files(f"vllm_migrate.report.{package}").joinpath("style.css")
    return sheet.read_text(encoding="utf-8")
