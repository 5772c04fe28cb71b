"""Distributions, and figures with intervals and verdicts: what audits and examinations of rewards share."""
