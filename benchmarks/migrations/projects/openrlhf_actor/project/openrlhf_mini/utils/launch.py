"""Ray where it is installed, else the same actor API in this process (debugging, CI)."""

try:
    import ray
except ImportError:
    ray = None


class _LocalMethod:
    def __init__(self, method):
        self._method = method

    def remote(self, *args, **kwargs):
        return self._method(*args, **kwargs)


class _LocalHandle:
    def __init__(self, actor):
        self._actor = actor

    def __getattr__(self, name):
        return _LocalMethod(getattr(self._actor, name))


class _LocalActorClass:
    def __init__(self, cls):
        self._cls = cls

    def options(self, **kwargs):
        return self

    def remote(self, *args, **kwargs):
        return _LocalHandle(self._cls(*args, **kwargs))


def remote(cls):
    return ray.remote(cls) if ray is not None else _LocalActorClass(cls)


def get(refs):
    return ray.get(refs) if ray is not None else refs
