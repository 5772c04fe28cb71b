"""One file per rule; a rule is its own specification."""
