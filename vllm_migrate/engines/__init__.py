"""The catalogue of engines, their environments, and the client that talks to them."""
