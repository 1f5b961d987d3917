"""The command line: parse, one library call, render."""

from convcli.cli.app import main

__all__ = ["main"]
