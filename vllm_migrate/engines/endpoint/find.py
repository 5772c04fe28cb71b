"""What stands at a URL: which protocol it speaks, and which vLLM is behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from vllm_migrate.engines.catalogue import FIRST_V1_ONLY
from vllm_migrate.engines.endpoint import openai, trl
from vllm_migrate.engines.endpoint.http import Server
from vllm_migrate.engines.environment import EngineEnvironment
from vllm_migrate.errors import EngineStartError, UsageError

if TYPE_CHECKING:
    from vllm_migrate.engines.endpoint.api import ServedApi

DEVICE = "endpoint"
"""Device of an engine that runs somewhere else: it takes nothing of this machine's."""

_SCHEMES = ("http://", "https://")
_URL, _MODEL, _SPEAKS = "url", "model", "speaks"


def is_url(name: str) -> bool:
    """Whether an engine's name is the address of a running server."""
    return name.startswith(_SCHEMES)


def endpoint(name: str) -> EngineEnvironment:
    """The engine behind a URL, asked what it is. `#model` behind it chooses among several models.

    Raises:
        UsageError: no such address or model, or a release that may run V0.
        EngineError: nothing answers, or nothing that is known.
    """
    url, _, model = name.partition("#")
    server = Server(url)
    if openai.speaks(server):
        speaks = "openai"
    elif trl.speaks(server):
        speaks = "trl"
    else:
        raise EngineStartError(
            f"{server.url} is neither an OpenAI-compatible server nor TRL's",
            hint="/v1/models and /get_world_size/ were asked for",
        )
    details = {_URL: server.url, _MODEL: model, _SPEAKS: speaks}
    found = EngineEnvironment(
        name="endpoint",
        generation="v1",
        version="",
        package="",
        device=DEVICE,
        python=Path(),
        root=Path(),
        external=True,
        details=details,
    )
    served = api_at(found).served()
    release = _release(served.version)
    if release is not None and release < FIRST_V1_ONLY:
        raise UsageError(
            f"{server.url} has vLLM {served.version}, which may run V0; an endpoint must be V1",
            hint=f"from vLLM {FIRST_V1_ONLY} on there is nothing else",
        )
    return replace(
        found,
        name=found.name if release is None else f"{found.name}@{release.base_version}",
        version="" if release is None else release.base_version,
        package=served.kind,
        details={**details, _MODEL: served.model},
    )


def api_at(engine: EngineEnvironment) -> ServedApi:
    """How to speak to an engine that `endpoint` has described."""
    server = Server(engine.details[_URL])
    if engine.details[_SPEAKS] == "trl":
        return trl.TrlApi(server)
    return openai.OpenAiApi(server, engine.details[_MODEL])


def _release(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None
