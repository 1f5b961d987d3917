"""`convcli explore`: one page for a browser, in which a kernel slides over a picture."""

from pathlib import Path

import click

from convcli.cli.options import WINDOW, own_options, picture_options, subcommand, with_options
from convcli.cli.output import STANDARD, answer, refuse_terminals, say
from convcli.cli.types import OPERAND, FrameReader, OperandValue, OptionsValue

_PAGE = "explore.html"


@subcommand("explore", short_help="Make a web page in which the window moves.")
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@own_options(f"""
Output
--output PAGE  The page, .html; {_PAGE} unless given, which must not exist yet.
--quiet        Print no report.
""")
@with_options(*WINDOW, "combine", "bias", "flip", "layout", "gray", "range")
@picture_options
def command(
    *,
    kernel: OperandValue,
    image: str,
    output: str | None,
    quiet: bool,
    options: OptionsValue,
    read: FrameReader,
) -> None:
    """Make one web page with IMAGE, KERNEL and the output, and all numbers between them.

    Open it in a browser: it needs no network. Move over a picture, press the arrow keys or
    Enter, click to pin a pixel. Edit the weights and the settings, and the output is computed
    anew. Its pixels are those of convcli apply.

    For example:
      convcli explore sobel-x photo.jpg
      convcli explore gaussian:1 photo.jpg -o page.html --border reflect --gray
      convcli explore weights.npz photo.jpg -o bank.html
    """
    from convcli.errors import OptionError
    from convcli.lessons.explore import explorer_of

    refuse_terminals(image, output)
    if output is None and Path(_PAGE).exists():
        raise OptionError(f"{_PAGE}: it exists already: name a page with -o")
    target = output or _PAGE
    if target != STANDARD and not target.lower().endswith((".html", ".htm")):
        raise OptionError(f"{target}: expected a page that ends in .html: name one")
    frame = read(image)
    page = explorer_of(kernel, frame, options, image)
    if target == STANDARD:
        click.echo(page.html.encode(), nl=False)
        return
    page.save(target)
    document = {"target": target, "bytes": len(page.html.encode())}
    line = f"{target}: {frame.shape[1]} × {frame.shape[0]} px; open it in a browser"
    answer(document, say, line, quiet=quiet)
