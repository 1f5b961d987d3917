"""Texts in the signs that Pillow's own font has."""

import re
import unicodedata

_GREEK = {
    "α": "alpha",
    "γ": "gamma",
    "θ": "theta",
    "λ": "lambda",
    "π": "pi",
    "σ": "sigma",
    "ψ": "psi",
}
_SIGNS = str.maketrans(
    {
        "×": "x",
        "⊗": "*",
        "·": "*",
        "½": "1/2",
        "²": "^2",
        "√": "sqrt",
        "⌈": "ceil(",
        "⌉": ")",
        "∇": "del",
        "°": " deg",
        "…": "...",
        "−": "-",
        "–": "-",
        "→": "->",
        "±": "+-",
        "≥": ">=",
        **_GREEK,
    }
)
_FACTOR = re.compile(rf"(?<=\d)(?=[{''.join(_GREEK)}])")
_INDEX = re.compile(rf"(?<=[{''.join(_GREEK)}])(?=[A-Za-z])")


def spelled(text: str) -> str:
    """Return a text in signs that the font has.

    Examples
    --------
    >>> spelled("2π·σx·σy, 45° → Ré")
    '2*pi*sigma_x*sigma_y, 45 deg -> Re'
    """
    apart = _INDEX.sub("_", _FACTOR.sub("*", text))
    plain = unicodedata.normalize("NFKD", apart.translate(_SIGNS))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return bare.encode("ascii", "replace").decode()
