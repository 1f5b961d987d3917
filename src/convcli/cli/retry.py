"""`convcli retry`: run the files of a batch that failed."""

from contextlib import chdir
from typing import Any

import click

from convcli.cli.options import own_options, subcommand


@subcommand("retry", short_help="Run what failed of a batch.")
@click.argument("manifest")
@own_options("Output\n--dry-run  List what would be read, written and skipped; write nothing.")
def command(*, manifest: str, dry_run: bool) -> Any:
    """Run the files that failed, as MANIFEST of convcli apply --manifest lists them.

    Kernel, options and folder are those of the first run; the outcomes are added to MANIFEST.

    For example:
      convcli apply sobel-x photos --out-dir edges --manifest run.jsonl
      convcli retry run.jsonl
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
        return None
    arguments = head["arguments"]
    if not arguments:
        raise BatchError(f"{manifest}: it was not written by convcli apply: run that again")
    root: Any = click.get_current_context().find_root().command
    more = ["--retry-failed", "--manifest", place, *["--dry-run"] * dry_run]
    words = [arguments[0], *more, *arguments[1:]]
    with chdir(head["folder"]):
        return root.main(words, prog_name="convcli", standalone_mode=False)
