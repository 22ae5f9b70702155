"""Commands and their options; what they do is in `commands.py`. Imports nothing heavy: `--help` is instant."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from harness import __version__
from harness.errors import HarnessError, InputError

MAKE_VARIABLES = {
    "FRAMEWORK": "frameworks",
    "PYTHON": "python",
    "VARIANT": "variant",
    "AS_OF": "as_of",
    "ENGINE": "engine",
    "INSTALLER": "installer",
    "REPEATS": "repeats",
    "MEMORY": "memory",
    "TIMEOUT": "timeout",
    "IMPORT": "import_package",
    "RESULTS": "results",
    "RECORD": "record",
    "LIMIT": "limit",
    "A": "before",
    "B": "after",
    "FORMAT": "style",
    "TO": "to",
    "PLATFORM": "platform",
    "RELEASES": "releases",
    "PLATFORMS": "matrix",
    "DEPS": "with_deps",
    "PRE": "pre",
    "ALL": "every",
    "DOWNLOAD": "allow_download",
    "FORECAST": "forecast",
    "MODEL": "models",
    "RUNTIME": "runtime",
    "THREADS": "threads",
    "TRACK": "track",
    "ROUNDS": "rounds",
    "RUNS": "runs",
    "SPINNING": "spinning",
    "WHEELHOUSE": "wheelhouse",
    "OPSET": "opset",
    "MATRIX": "matrix_file",
    "EXECUTOR": "executor",
    "BUILDS": "builds",
    "WORKERS": "workers",
    "SCHEDULER": "scheduler",
    "MAX_TIME": "max_time",
    "MAX_DOWNLOAD": "max_download",
    "PROGRESS": "progress",
    "ANYWAY": "anyway",
    "PUBLISH": "publish",
}
LISTS = ("models", "runtime")
"""Those of them that are words separated by blanks or commas."""
FLAGS = (
    "releases",
    "matrix",
    "with_deps",
    "pre",
    "every",
    "allow_download",
    "forecast",
    "spinning",
    "anyway",
    "publish",
)
"""Those of them that are on or off."""


def _from_make() -> dict[str, Any]:
    """Options as make hands them over: in the environment, where no shell ever sees them.

    A variable that is set but empty counts, and is refused where it makes no sense.
    """
    from harness.job import split_requests

    found: dict[str, Any] = {option: os.environ[name] for name, option in MAKE_VARIABLES.items() if name in os.environ}
    if "frameworks" in found:
        found["frameworks"] = tuple(split_requests(found["frameworks"]))
    for option in LISTS:
        if option in found:
            found[option] = tuple(found[option].replace(",", " ").split())
    return {option: _flag(option, value) if option in FLAGS else value for option, value in found.items()}


def _flag(option: str, text: str) -> bool:
    """What `make forecast RELEASES=1` means."""
    if text not in ("1", "0", "yes", "no"):
        (variable,) = (name for name, named in MAKE_VARIABLES.items() if named == option)
        raise InputError(f"{variable} is {text[:60]!a}, which is neither yes nor no", tip=f"write {variable}=1")
    return text in ("1", "yes")


def results_option(command: Any) -> Any:
    return click.option(
        "--results",
        default="results",
        metavar="DIR",
        envvar="HARNESS_RESULTS",
        help="Where records, locks and tables are kept.",
    )(command)


def publish_option(*, default: bool = False) -> Callable[[Any], Any]:
    """Whose results a command works on; `_placed` does what it says."""
    return click.option(
        "--publish/--no-publish",
        default=default,
        show_default=True,
        help="Work in published/ among the results alone, which is what the project publishes.",
    )


def _placed(options: dict[str, Any]) -> dict[str, Any]:
    """With --publish a command works in the published place, and nowhere else."""
    from harness.archive.store import PUBLISHED

    if options.pop("publish"):
        options["results"] = str(Path(options["results"]) / PUBLISHED)
    return options


def reach_options(command: Any) -> Any:
    command = click.option(
        "--index-url",
        envvar="HARNESS_INDEX_URL",
        metavar="URL",
        help="Package index to use instead of the default one.",
    )(command)
    return click.option(
        "--catalog", "catalog_file", type=click.Path(path_type=Path), help="Another catalog of frameworks."
    )(command)


def anyway_option(command: Any) -> Any:
    return click.option(
        "--anyway", is_flag=True, help="Take a name as it is, though it looks like one of the catalog misspelt."
    )(command)


def output_options(command: Any) -> Any:
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="Tell nothing while it runs.")(command)


def fleet_options(command: Any) -> Any:
    """How many jobs are done, whichever they are."""
    for option in reversed(
        (
            click.option("--engine", metavar="NAME", help="docker or venv. Default: docker where one answers."),
            click.option(
                "--executor",
                default="serial",
                show_default=True,
                metavar="NAME",
                help="serial, local (several builds at a time) or dask.",
            ),
            click.option("--builds", default="4", show_default=True, metavar="N", help="With local: builds at a time."),
            click.option(
                "--workers",
                default="2",
                show_default=True,
                metavar="N",
                help="With dask, without --scheduler: processes.",
            ),
            click.option("--scheduler", metavar="ADDRESS", help="With dask: tcp://HOST:8786, or tls://HOST:8786."),
            tls_options,
            click.option("--repeats", default="5", show_default=True, metavar="N", help="Warm imports of each job."),
            click.option("--memory", metavar="SIZE", help="Memory limit of each run."),
            click.option(
                "--timeout", default="1800", show_default=True, metavar="SECONDS", help="Time limit of each run."
            ),
            click.option("--max-time", metavar="SECONDS", help="Begin no job after this."),
            click.option(
                "--max-download", metavar="SIZE", help="Begin no job that would download more, for example 5GB."
            ),
            click.option(
                "--progress", default="auto", show_default=True, metavar="NAME", help="auto, lines, json or quiet."
            ),
            click.option("--from-make", is_flag=True, hidden=True),
            reach_options,
        )
    ):
        command = option(command)
    return command


def tls_options(command: Any) -> Any:
    """What a machine of a fleet proves itself with."""
    command = click.option("--tls-key", metavar="FILE", help="TLS: its key.")(command)
    command = click.option("--tls-cert", metavar="FILE", help="TLS: this machine's certificate.")(command)
    return click.option(
        "--tls-ca", metavar="FILE", help="TLS: the authority that signed the fleet's certificates (PEM)."
    )(command)


def _fleet(options: dict[str, Any]) -> dict[str, Any]:
    """With what all jobs share as one value."""
    from dataclasses import fields

    from harness.cli.fleet import Options

    shared = {field.name: options.pop(field.name) for field in fields(Options)}
    return options | {"options": Options(**shared)}


def _words(options: dict[str, Any], *names: str) -> None:
    """What make hands over as words, as several."""
    for name in names:
        if isinstance(options[name], str):
            options[name] = tuple(options[name].replace(",", " ").split()) or ("",)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Measure what an ML runtime really costs: installer, disk, import.

    Every figure comes from a clean, offline installation of hash-locked wheels, and can be replayed
    byte for byte.
    """


@cli.command()
@click.argument("frameworks", nargs=-1, metavar="FRAMEWORK...")
@click.option("--python", metavar="3.X", help="CPython version. Default: 3.11, where it can be had.")
@click.option(
    "--variant", default="pypi", show_default=True, metavar="NAME", help="Which build, see `harness catalog`."
)
@click.option("--as-of", metavar="DATE", help="Take part only in what was uploaded by the end of this day (UTC).")
@click.option("--engine", metavar="NAME", help="docker or venv. Default: docker where one answers.")
@click.option("--installer", default="pip", show_default=True, metavar="NAME", help="pip or uv.")
@click.option("--repeats", default="5", show_default=True, metavar="N", help="Warm imports; cold ones are at most 3.")
@click.option("--import", "import_package", metavar="PACKAGE", help="What to import. Default: catalog, then wheel.")
@click.option("--memory", metavar="SIZE", help="Memory limit of each run. Default: three quarters of this machine's.")
@click.option("--timeout", default="1800", show_default=True, metavar="SECONDS", help="Time limit of each run.")
@click.option("--relock", is_flag=True, help="Resolve anew, even where this job has a lock.")
@click.option("--keep", is_flag=True, help="Leave the sandbox behind, to look inside.")
@anyway_option
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@publish_option()
@output_options
def measure(from_make: bool, **options: Any) -> None:
    """Measure frameworks: name==version, or a bare name for the newest release.

    \b
    harness measure torch==2.3.0 --as-of 2024-04-25
    harness measure onnxruntime openvino --installer uv
    """
    from harness.cli.commands import measure as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**_placed(options)))


@cli.command()
@click.argument("record", metavar="RECORD", required=False)
@click.option("--from-make", is_flag=True, hidden=True)
@click.option("--engine", metavar="NAME", help="docker or venv. Default: the record's own.")
@click.option("--memory", metavar="SIZE", help="Memory limit of each run.")
@click.option("--timeout", default="1800", show_default=True, metavar="SECONDS", help="Time limit of each run.")
@reach_options
@results_option
@output_options
def replay(from_make: bool, **options: Any) -> None:
    """Install again from a record's lock, and compare: sizes must be equal to the byte.

    RECORD is a path or a record's id. Exits with 3 where an exact figure differs.
    """
    from harness.cli.commands import replay as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    if not options["record"]:
        raise InputError("no record given", tip="name one by its path or id, see results/records/")
    sys.exit(run(**options))


@cli.command()
@click.argument("frameworks", nargs=-1, metavar="[FRAMEWORK...]")
@click.option("--python", metavar="3.X", help="CPython version, 3.9 to 3.14. Default: 3.11.")
@click.option(
    "--platform", metavar="NAME", help="linux_x86_64, linux_aarch64, macos_arm64 or windows_x86_64. Default: this one."
)
@click.option(
    "--variant", default="pypi", show_default=True, metavar="NAME", help="Which build, see `harness catalog`."
)
@click.option("--as-of", metavar="DATE", help="Take part only in what was uploaded by the end of this day (UTC).")
@click.option("--releases", is_flag=True, help="Every final release that has a wheel for the target.")
@click.option("--with-deps", is_flag=True, help="Lock each release as of its upload day, and weigh all of it.")
@click.option("--pre", is_flag=True, help="With --releases: pre-releases too.")
@click.option("--all", "every", is_flag=True, help="With --releases: every framework of the catalog.")
@click.option("--platforms", "matrix", is_flag=True, help="One version on every Python and platform.")
@click.option("--allow-download", is_flag=True, help="Download wheels where the index answers no range requests.")
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@publish_option()
@output_options
def forecast(from_make: bool, **options: Any) -> None:
    """Tell what a version weighs, from the index alone: nothing is downloaded or installed.

    \b
    harness forecast torch==2.3.0 --as-of 2024-04-25 --platform macos_arm64
    harness forecast torch --releases --with-deps
    harness forecast onnxruntime==1.17.1 --platforms
    """
    from harness.cli.forecast import forecast as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**_placed(options)))


@cli.command("verify-forecast")
@click.argument("record", metavar="RECORD", required=False)
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@output_options
def verify_forecast(from_make: bool, **options: Any) -> None:
    """Hold a forecast against a record, file by file.

    RECORD is a path or a record's id. Exits with 3 where a byte is not accounted for.
    """
    from harness.cli.verify import verify_forecast as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


@cli.command()
@click.argument("models", nargs=-1, metavar="[MODEL...]")
@click.option("--from", "from_file", type=click.Path(path_type=Path), help="Take in an ONNX file of your own.")
@click.option("--shape", multiple=True, metavar="NAME=1,3,224,224", help="Of an input of it whose axes are dynamic.")
@click.option("--opset", default="20", show_default=True, metavar="N", help="20 or 17.")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Of weights and inputs.")
@click.option("--python", metavar="3.X", help="CPython version of the exporter. Default: 3.11.")
@click.option("--engine", metavar="NAME", help="docker or venv. Default: docker where one answers.")
@click.option("--wheelhouse", metavar="DIR", help="Wheels that are taken before those of the index.")
@click.option("--offline", is_flag=True, help="Take wheels from --wheelhouse alone.")
@click.option("--memory", metavar="SIZE", help="Memory limit of each export.")
@click.option("--timeout", default="1800", show_default=True, metavar="SECONDS", help="Time limit of each export.")
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@output_options
def export(from_make: bool, **options: Any) -> None:
    """Have the models that are timed: built from configurations and seeds, no model hub is asked.

    \b
    harness export mobilenet_v2 bert_base_128
    harness export --from my-model.onnx --shape input=1,3,224,224
    """
    from harness.cli.export import export as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    options.pop("catalog_file")
    sys.exit(run(**options))


@cli.command()
@click.argument("models", nargs=-1, metavar="[MODEL...]")
@click.option("--runtime", multiple=True, metavar="NAME", help="With ==VERSION if wanted; may be repeated.")
@click.option("--threads", default="1,all", show_default=True, metavar="N,N", help="all: every physical core.")
@click.option("--track", default="both", show_default=True, metavar="NAME", help="strict-f32, vendor-default or both.")
@click.option("--rounds", default="5", show_default=True, metavar="N", help="Fresh processes of each runtime.")
@click.option("--runs", default="100", show_default=True, metavar="N", help="At least so many timed runs a process,")
@click.option("--seconds", default="3", show_default=True, metavar="S", help="and for at least so long.")
@click.option("--warmup-runs", default="10", show_default=True, metavar="N", help="At least so many runs before,")
@click.option("--warmup-seconds", default="1", show_default=True, metavar="S", help="and for at least so long.")
@click.option("--spinning", is_flag=True, help="The anchor also with spinning threads.")
@click.option("--opset", default="20", show_default=True, metavar="N", help="Of the exported models: 20 or 17.")
@click.option("--python", metavar="3.X", help="CPython version. Default: 3.11.")
@click.option("--as-of", metavar="DATE", help="Take part only in what was uploaded by the end of this day (UTC).")
@click.option("--engine", metavar="NAME", help="docker or venv. Default: docker where one answers.")
@click.option("--wheelhouse", metavar="DIR", help="Wheels that are taken before those of the index.")
@click.option("--offline", is_flag=True, help="Take wheels from --wheelhouse alone.")
@click.option("--memory", metavar="SIZE", help="Memory limit of each process.")
@click.option("--timeout", default="600", show_default=True, metavar="SECONDS", help="Time limit of each process.")
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@publish_option()
@output_options
def infer(from_make: bool, **options: Any) -> None:
    """Time exported models on runtimes: where they really ran, how fast, and whether they are right.

    \b
    harness infer mobilenet_v2 --runtime onnxruntime --runtime openvino --threads 1,2
    """
    from harness.cli.infer import infer as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    options.pop("catalog_file")
    sys.exit(run(**_placed(options)))


@cli.command()
@click.option("--runtime", multiple=True, metavar="NAME", help="With ==VERSION if wanted. Default: all of the catalog.")
@click.option("--python", metavar="3.X", help="CPython version. Default: 3.11.")
@click.option("--as-of", metavar="DATE", help="Take part only in what was uploaded by the end of this day (UTC).")
@click.option("--engine", metavar="NAME", help="docker or venv. Default: docker where one answers.")
@click.option("--wheelhouse", metavar="DIR", help="Wheels that are taken before those of the index.")
@click.option("--offline", is_flag=True, help="Take wheels from --wheelhouse alone.")
@click.option("--memory", metavar="SIZE", help="Memory limit of each process.")
@click.option("--timeout", default="600", show_default=True, metavar="SECONDS", help="Time limit of each process.")
@click.option("--from-make", is_flag=True, hidden=True)
@reach_options
@results_option
@publish_option()
@output_options
def providers(from_make: bool, **options: Any) -> None:
    """Tell which execution providers runtimes offer, which can be created here, and which really run a node.

    \b
    harness providers --runtime onnxruntime --runtime onnxruntime-ep-openvino
    """
    from harness.cli.providers import providers as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    options.pop("catalog_file")
    sys.exit(run(**_placed(options)))


@cli.command()
@click.option(
    "--framework", "frameworks", multiple=True, metavar="NAME", help="name==version, or a name for its newest."
)
@click.option("--variant", multiple=True, metavar="NAME", help="Builds, see `harness catalog`. Default: pypi.")
@click.option("--python", multiple=True, metavar="3.X", help="CPython versions. Default: 3.11.")
@click.option("--as-of", multiple=True, metavar="DATE", help="Days. Default: yesterday, as all of today does.")
@click.option("--installer", multiple=True, metavar="NAME", help="pip, uv. Default: pip.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Time these, instead of weighing frameworks.")
@click.option("--runtime", multiple=True, metavar="NAME", help="With --model. Default: onnxruntime and openvino.")
@click.option("--threads", multiple=True, metavar="N", help="With --model: numbers of threads. Default: 1.")
@click.option("--track", multiple=True, metavar="NAME", help="With --model: strict-f32, vendor-default. Default: both.")
@click.option("--rounds", default="5", show_default=True, metavar="N", help="With --model: fresh processes of each.")
@click.option("--runs", default="100", show_default=True, metavar="N", help="With --model: runs a process, at least.")
@click.option("--wheelhouse", metavar="DIR", help="With --model: wheels that are taken before those of the index.")
@click.option("--matrix", "matrix_file", type=click.Path(path_type=Path), help="All of these, from a TOML file.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan, and do nothing.")
@click.option("--retry-failed", is_flag=True, help="Measure again what has a failed record.")
@anyway_option
@fleet_options
@results_option
@publish_option()
@output_options
def sweep(from_make: bool, **options: Any) -> None:
    """Measure every combination of frameworks, Pythons, dates, builds and installers.

    Each axis may be named more than once. What has a record is not measured again, so that a sweep that was
    interrupted is finished by starting it again.

    \b
    harness sweep --framework onnxruntime --framework openvino --python 3.11 --python 3.13
    harness sweep --matrix matrix.toml --executor dask --scheduler tls://10.0.0.1:8786 ...
    """
    from harness.cli.sweep import sweep as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
        _words(options, "variant", "python", "as_of", "installer", "threads", "track")
        if isinstance(options["matrix_file"], str):
            options["matrix_file"] = Path(options["matrix_file"])
    sys.exit(run(**_placed(_fleet(options))))


@cli.command()
@click.option("--framework", "frameworks", multiple=True, metavar="NAME", help="Of the catalog. Default: all of it.")
@click.option(
    "--python", multiple=True, metavar="3.X", help="The first that a release has a wheel for. Default: 3.11, 3.13."
)
@click.option("--as-of", metavar="INSTANT", help="Another night than today's: the midnight it began with.")
@click.option("--installer", default="pip", show_default=True, metavar="NAME", help="pip or uv.")
@click.option("--retry-failed", is_flag=True, help="Measure again what has a failed record.")
@click.option("--wait", is_flag=True, help="Wait for a night that is under way, instead of leaving.")
@click.option("--no-charts", "draw", is_flag=True, flag_value=False, default=True, help="Draw no charts.")
@fleet_options
@results_option
@publish_option(default=True)
@output_options
def nightly(from_make: bool, **options: Any) -> None:
    """Measure what is new: releases since the last night, and the newest ones with the dependencies of today.

    The night is planned once, before anything is measured; started again it does what is left. Prints a summary in
    Markdown, and keeps it in results/published/nights/. Exits with 3 where something grew or slowed down, or was left
    out for a budget, and with 1 where a row is missing or failed.
    """
    from harness.cli.nightly import nightly as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
        _words(options, "python")
    sys.exit(run(**_placed(_fleet(options))))


@cli.command()
@click.argument("address")
@click.option("--name", metavar="NAME", help="How it is called. Default: its address.")
@tls_options
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing while it runs.")
def worker(**options: Any) -> None:
    """Work for a scheduler of `harness sweep --executor dask`, at ADDRESS, until it closes.

    \b
    dask scheduler --no-dashboard
    harness worker tcp://10.0.0.1:8786
    """
    from harness.cli.sweep import worker as run

    sys.exit(run(**options))


@cli.command()
@click.option("--python", metavar="3.X", multiple=True, help="Only this version; may be repeated.")
@click.option("--source", metavar="NAME", help="registry or debian. Default: whichever works.")
@click.option("--from-make", is_flag=True, hidden=True)
@output_options
def images(from_make: bool, **options: Any) -> None:
    """Have the base images that measurements run in: pulled, or built from Debian packages."""
    from harness.cli.commands import images as run

    if from_make and os.environ.get("PYTHON"):
        options["python"] = (os.environ["PYTHON"],)
    sys.exit(run(**options))


@cli.command()
@click.option("--catalog", "catalog_file", type=click.Path(path_type=Path), help="Another catalog of frameworks.")
@output_options
def catalog(**options: Any) -> None:
    """List the frameworks that are known, what they are imported as, and their variants."""
    from harness.cli.commands import catalog as run

    sys.exit(run(**options))


@cli.command()
@reach_options
@results_option
@output_options
def doctor(**options: Any) -> None:
    """Tell what this machine can measure, and what to do about the rest."""
    from harness.cli.doctor import doctor as run

    sys.exit(run(**options))


@cli.command()
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def tables(from_make: bool, **options: Any) -> None:
    """Rebuild the CSV tables from the records, offline."""
    from harness.cli.commands import tables as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


@cli.command()
@click.option("--out", metavar="DIR", help="Where the pictures go. Default: charts/ among the results.")
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@publish_option()
@output_options
def charts(from_make: bool, **options: Any) -> None:
    """Draw the charts from the records, offline: SVG and PNG, light and dark."""
    from harness.cli.charts import charts as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**_placed(options)))


@cli.command()
@click.option("--docs", default="docs", show_default=True, metavar="DIR", help="The folder of the site's sources.")
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@publish_option()
@output_options
def site(from_make: bool, **options: Any) -> None:
    """Write the site's pages, charts and JSON from the records, offline; `make docs` builds them."""
    from harness.cli.site import site as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**_placed(options)))


@cli.command()
@click.option("--site", default="build/site", show_default=True, metavar="DIR", help="The built site.")
@click.option("--to", default="build/public", show_default=True, metavar="DIR", help="Where it goes.")
@click.option("--from-make", is_flag=True, hidden=True)
@output_options
def publish(from_make: bool, **options: Any) -> None:
    """Copy the built site to a folder that a static host takes as it is."""
    from harness.cli.site import publish as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    if not options["to"].strip():
        raise InputError("the folder to publish to is empty", tip="name one, or leave TO out for build/public")
    sys.exit(run(**options))


@cli.command("publish-results")
@click.argument("record", nargs=-1, metavar="[RECORD...]")
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def publish_results(from_make: bool, **options: Any) -> None:
    """Copy your own results to those that the project publishes, with their locks.

    A RECORD is a path, an id or a request, of whatever kind. Default: all that are yours. What is published already
    stays as it is.
    """
    from harness.cli.publish_results import publish_results as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
        _words(options, "record")
    sys.exit(run(**options))


@cli.command()
@click.argument("before", metavar="A", required=False)
@click.argument("after", metavar="B", required=False)
@click.option("--forecast", is_flag=True, help="Take forecasts only. Default: where nothing was measured.")
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def diff(from_make: bool, **options: Any) -> None:
    """Tell what changed between two records, byte by byte.

    A and B are paths, record ids, or what has a record: name==version, or a name for its highest one.

    \b
    harness diff onnxruntime-gpu==1.17.1 onnxruntime-gpu
    """
    from harness.cli.answers import diff as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


@cli.command()
@click.argument("limit", required=False)
@click.argument("frameworks", nargs=-1, metavar="[FRAMEWORK...]")
@click.option("--of", metavar="WHAT", help="installed, installed-without-bytecode, download, image or wheel.")
@click.option("--list", "listed", is_flag=True, help="List the named limits with their sources.")
@click.option("--forecast", is_flag=True, help="Take forecasts only. Default: where nothing was measured.")
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def fits(from_make: bool, **options: Any) -> None:
    """Tell which records fit a budget of bytes.

    LIMIT is a size, of what is installed with bytecode, or the name of a known limit; without one,
    those are listed. Exits with 3 where a FRAMEWORK that is named does not fit.

    \b
    harness fits 250MB
    harness fits aws-lambda-zip onnxruntime
    """
    from harness.cli.answers import fits as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


@cli.command()
@click.argument("record", metavar="RECORD", required=False)
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def show(from_make: bool, **options: Any) -> None:
    """Show one record as a page.

    RECORD is a path, a record id, or what has a record: name==version, or a name for its highest one.
    """
    from harness.cli.answers import show as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


@cli.command()
@click.argument("frameworks", nargs=-1, metavar="[FRAMEWORK...]")
@click.option(
    "--format", "style", default="table", show_default=True, metavar="NAME", help="table, markdown, csv, json."
)
@click.option("--from-make", is_flag=True, hidden=True)
@results_option
@output_options
def compare(from_make: bool, **options: Any) -> None:
    """Set records side by side, the best of each row marked.

    A FRAMEWORK is a path, a record id or a request. Default: the newest version of every build.

    \b
    harness compare onnxruntime openvino ai-edge-litert
    """
    from harness.cli.answers import compare_records as run

    if from_make:
        options |= {name: value for name, value in _from_make().items() if name in options}
    sys.exit(run(**options))


def main() -> NoReturn:
    """Run, and map every error to its exit code; tell it in one or two lines."""
    _catch_signals()
    try:
        cli.main(prog_name="harness", standalone_mode=False)
    except HarnessError as error:
        _say("error", error.message)
        if error.tip:
            _say("tip", error.tip)
        _leave(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        _leave(2)
    except click.UsageError as error:
        _say("error", error.format_message())
        command = error.ctx.command_path if error.ctx else "harness"
        _say("tip", f"see {command} --help")
        _leave(2)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted", "nothing was left behind; what was recorded is whole")
        _leave(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(0)
    _leave(0)


def _say(word: str, text: str) -> None:
    one_line = " ".join(text.split())
    styled = click.style(f"{word}:", fg="red" if word == "error" else "yellow", bold=True)
    click.echo(f"{styled} {one_line}", err=True, color=None if "NO_COLOR" not in os.environ else False)


def _leave(code: int) -> NoReturn:
    sys.exit(code)


def _catch_signals() -> None:
    """Once: clean up and exit 130. Twice: leave at once. SIGTERM asks as politely as SIGINT."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
