"""What convcli says of itself: `convcli help`, and `convcli --version`."""

import importlib.metadata
import platform
import re
from typing import Any

import click

from convcli.cli.options import subcommand
from convcli.cli.output import show_json
from convcli.errors import installed_version, own_version


@subcommand("help", short_help="Show the help page of a command.")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(context: click.Context, /, *, name: str | None) -> None:
    """Show the whole help page of COMMAND, as COMMAND --help does; or that of convcli.

    For example:
      convcli help
      convcli help apply
    """
    words = [] if name is None else [name]
    program = context.find_root().command
    program.main([*words, "--help"], prog_name="convcli", standalone_mode=False)


_FOR_DEVELOPERS = ("bench", "dev", "docs", "test")  # extras that no user installs
_REQUIRED = re.compile(r"([\w-]+).*extra == ['\"](\w+)['\"]")


def show_version(context: click.Context) -> None:
    """Print the versions, as lines or as an object, and leave."""
    found = _versions()
    if context.params["as_json"]:
        show_json(found)
    else:
        click.echo("\n".join(_lines(found)))
    context.exit()


def _versions() -> dict[str, Any]:
    """Return the versions of convcli and of what it stands on, as plain JSON values."""
    import numpy as np

    from convcli.images.policy import decoders

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "convcli": own_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": np.__version__,
        "blas": {"name": blas.get("name"), "version": blas.get("version")},
        "pillow": installed_version("pillow"),
        "decoders": decoders(),
        "extras": _extras(),
    }


def _extras() -> dict[str, dict[str, str | None]]:
    """Return the version of each package of each extra; None where it is not installed."""
    found: dict[str, dict[str, str | None]] = {}
    needs = importlib.metadata.requires("convcli") if installed_version("convcli") else ()
    for match in filter(None, map(_REQUIRED.match, needs or ())):
        if match[2] not in _FOR_DEVELOPERS:
            found.setdefault(match[2], {})[match[1]] = installed_version(match[1])
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    def listed(packages: dict[str, str | None]) -> str:
        return ", ".join(f"{name} {is_at or 'not there'}" for name, is_at in packages.items())

    return [
        "convcli {convcli}\nPython {python}, {platform}".format(**found),
        "NumPy {numpy}, {blas[name]} {blas[version]}".format(**found),
        f"Pillow {found['pillow']}: {listed(found['decoders'])}",
        "Extras:",
        *(f"  {extra}: {listed(packages)}" for extra, packages in found["extras"].items()),
    ]
