"""One adapter per file kind: bytes to located facts. Adapters never edit."""
