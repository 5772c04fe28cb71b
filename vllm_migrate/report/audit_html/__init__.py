"""The audit's result as one self-contained HTML page, a module for each part of it."""

from vllm_migrate.report.audit_html.page import render_html

__all__ = ["render_html"]
