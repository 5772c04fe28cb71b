"""The report on a reward as one self-contained HTML page, in the style of the audit's."""

from vllm_migrate.report.reward_html.page import render_html

__all__ = ["render_html"]
