"""``python -m convcli``: the same as the command ``convcli``."""

import sys


def run() -> None:
    """Start the command line; an interrupt while it is being imported is one as well."""
    try:
        from convcli.cli import main  # noqa: PLC0415 - it takes a while

        main(prog_name="convcli")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
