from .loop import Reinforce, ReinforceConfig

__all__ = ["Reinforce", "ReinforceConfig"]
