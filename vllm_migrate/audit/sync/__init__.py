"""Weight updates: tried in a live engine, compared with a cold one, and what must hold after each."""
