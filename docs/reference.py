"""The reference of the library, made of the docstrings: what `docs/api.md` calls."""

import enum
import inspect
import re
from collections.abc import Iterator

import convcli

_SECTION = re.compile(r"^(\w[\w, ]*)\n-{3,}\n", re.MULTILINE)


def _kind(value: object) -> str:
    """Return the heading that a public name stands under."""
    if not inspect.isclass(value):
        return "Functions"
    if issubclass(value, enum.Enum):
        return "Choices"
    return "Errors" if issubclass(value, Exception) else "Classes"


def reference() -> str:
    """Return every public name of the library, by kind, as Markdown."""
    parts = []
    public = [name for name in convcli.__all__ if name != "__version__"]
    for heading in ("Functions", "Classes", "Choices", "Errors"):
        names = [name for name in public if _kind(value_of(name)) == heading]
        parts += [f"## {heading}", *(_described(name) for name in names)]
    return "\n\n".join(parts)


def value_of(name: str) -> object:
    """Return the function or the class that a public name means."""
    value = getattr(convcli, name)
    # The package `kernels` is a function as well: what it calls is documented.
    return getattr(value.catalogue, name) if inspect.ismodule(value) else value


def _described(name: str) -> str:
    value = value_of(name)
    parts = [f"### `{name}{_signature(value)}`", *_sections(inspect.getdoc(value) or "")]
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        parts.append("Values: " + ", ".join(f"`{member.value}`" for member in value) + ".")
    elif inspect.isclass(value):
        parts.append(_members(value))
    return "\n\n".join(part for part in parts if part)


def _members(owner: type) -> str:
    """Return the public methods and properties of a class, a line each."""
    lines = []
    for name, member in vars(owner).items():
        text = inspect.getdoc(member)
        if name.startswith("_") or not text or not hasattr(member, "__get__"):
            continue
        lines.append(f"- `{name}{_signature(member)}`: {text.splitlines()[0]}")
    return "\n".join(lines)


def _signature(value: object) -> str:
    """Return the parameters of a function with their defaults, without types."""
    if not inspect.isfunction(value):
        return ""
    names = [
        _plain(parameter)
        for name, parameter in inspect.signature(value).parameters.items()
        if name != "self"
    ]
    return str(inspect.Signature(names))


class _Shown:
    """A default as it is written in a program."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if isinstance(default, enum.Enum):
        default = _Shown(str(default))
    return parameter.replace(annotation=parameter.empty, default=default)


def _sections(text: str) -> Iterator[str]:
    """Yield the parts of a NumPy docstring as Markdown."""
    opening, *rest = _SECTION.split(text)
    yield opening.strip()
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        yield f"**{title}**"
        if title == "Examples":
            yield f"```python\n{body.strip()}\n```"
        else:
            yield _entries(body.strip("\n"))


def _entries(body: str) -> str:
    """Return the entries of a section as a list: each stands to the left of its text."""
    lines = []
    for line in body.splitlines():
        if line and not line.startswith(" "):
            name, colon, kind = line.partition(" : ")
            lines.append(f"- **{name}**{colon}{kind}" if colon else f"- {line}")
        elif line.strip():
            lines.append(f"  {line.strip()}")
    return "\n".join(lines)
