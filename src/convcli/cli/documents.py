"""What ``--json`` prints: JSON as its standard has it."""

import math
from typing import Any

import click


def show_json(document: Any, *, err: bool = False) -> None:
    """Print a document on a line of its own.

    Parameters
    ----------
    document : dict, list, str, number, bool or None
        Numbers that JSON has not, NaN and infinities, become null.
    err : bool
        On standard error.
    """
    import json  # noqa: PLC0415 - only where it is asked for

    try:
        text = json.dumps(document, allow_nan=False)
    except ValueError:
        text = json.dumps(_known(document))
    click.echo(text, err=err)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
