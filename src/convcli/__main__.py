"""``python -m convcli``: the same as the command ``convcli``."""

from convcli.cli import main

if __name__ == "__main__":
    main(prog_name="convcli")
