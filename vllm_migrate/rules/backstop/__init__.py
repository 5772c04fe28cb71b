"""The backstop: what the target lacks is reported, also where no fact names it."""
