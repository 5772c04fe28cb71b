"""Renderers; each draws the same result object."""
