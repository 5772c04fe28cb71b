"""From figures to verdicts: resampling, margins, looks, and how much data a verdict needs."""
