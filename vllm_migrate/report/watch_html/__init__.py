"""The comparison of run logs as an HTML page."""

from vllm_migrate.report.watch_html.page import render_html

__all__ = ["render_html"]
