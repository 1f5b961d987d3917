"""`convcli retry`: run the files of a batch that failed."""

from contextlib import chdir
from typing import Any

import click

from convcli.cli.options import Command


@click.command(
    "retry",
    cls=Command,
    short_help="Run what failed of a batch.",
    epilog="""\b
Examples:
  convcli apply sobel-x photos --out-dir edges --manifest run.jsonl
  convcli retry run.jsonl""",
)
@click.argument("manifest")
def command(*, manifest: str) -> None:
    """Run the files that failed, as MANIFEST of convcli apply --manifest lists them.

    Kernel, options and folder are those of the first run; the outcomes are added to MANIFEST.
    """
    from convcli.batch import places
    from convcli.batch.manifest import Manifest
    from convcli.errors import BatchError
    from convcli.storage.urls import is_there

    place = places.absolute(places.place_from(manifest))
    if not is_there(place):
        raise BatchError(f"{manifest}: no such manifest: name the FILE of --manifest")
    with Manifest(place) as opened:
        head, has_failed = opened.head, next(opened.failed(), None) is not None
    if not has_failed:
        click.echo("no file failed: there is nothing to run")
        return
    arguments = head["arguments"]
    if not arguments:
        raise BatchError(f"{manifest}: it was not written by convcli apply: run that again")
    root: Any = click.get_current_context().find_root().command
    words = [arguments[0], "--retry-failed", "--manifest", place, *arguments[1:]]
    with chdir(head["folder"]):
        root.main(words, "convcli", standalone_mode=False)
