"""What runs in the process of a user's reward: standard library only, no import of this package.

`begin.py` is started as a script and loads the others under a name of their own, so that nothing of this
project stands in the way of the user's modules. It may run under any Python from 3.8 on.
"""
