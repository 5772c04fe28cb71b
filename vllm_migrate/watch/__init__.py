"""Two run logs, step by step: when a candidate's training left its reference, and in which metric first."""
