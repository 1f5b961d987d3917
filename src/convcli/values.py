"""The one way to define a value: a class of named fields that never change.

Three ways were measured on an AMD EPYC with Python 3.11, three fields each, by
``python benchmarks/values.py``:

- a frozen dataclass with slots takes 0.44 ms to define and 0.41 µs to make: its methods are
  compiled class by class, and the eighty that filtering a picture needs took 35 ms;
- a `typing.NamedTuple` takes 0.05 ms and 0.23 µs, but it is a tuple: it equals and unpacks as
  one, checks nothing, and cannot cache what follows from its fields;
- a `Record` takes 0.008 ms to define, for all share their methods, and 0.9 µs to make, or 1.5
  with names and defaults.

What changes while it is used is no value: it is a plain class.
"""

from math import isfinite
from operator import attrgetter
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

_Kind = TypeVar("_Kind", bound="Record")
_put = object.__setattr__


class _Signature:
    """What `help` shows as the parameters of a kind of record."""

    def __get__(self, _: object, kind: "type[Record]") -> Any:
        from inspect import Parameter, Signature

        how = Parameter.KEYWORD_ONLY if kind._by_name else Parameter.POSITIONAL_OR_KEYWORD
        defaults = {name: kind._defaults.get(name, Parameter.empty) for name in kind._types}
        parameters = [
            Parameter(name, how, default=defaults[name], annotation=each)
            for name, each in kind._types.items()
        ]
        return Signature(parameters)


@dataclass_transform(frozen_default=True)
class Record:
    """A value of annotated fields: made by position or name, equal by them, never changed.

    ``__post_init__``, where there is one, checks them. With ``kw_only=True`` they are given by
    name. What `functools.cached_property` makes of them is not pickled. A record that inherits
    from another has its fields first.

    Examples
    --------
    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> Point(3)
    Point(x=3, y=0)
    >>> Point(1, y=2) == Point(1, 2), replace(Point(1), y=5)
    (True, Point(x=1, y=5))
    """

    _types: ClassVar[dict[str, Any]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _by_name: ClassVar[bool] = False
    _fields: ClassVar[tuple[str, ...]]
    _values_of: "ClassVar[attrgetter[Any]]"
    __signature__ = _Signature()

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        # inspect.get_annotations, which does the same, takes 5 ms to import.
        own: dict[str, Any] = type.__dict__["__annotations__"].__get__(cls)  # noqa: RUF063
        defaults = {name: vars(cls)[name] for name in own if name in vars(cls)}
        for name in defaults:
            delattr(cls, name)
        cls._types, cls._defaults = {**cls._types, **own}, {**cls._defaults, **defaults}
        cls._by_name, cls._fields = kw_only or cls._by_name, tuple(cls._types)
        cls._values_of = attrgetter(*cls._fields)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self._fields
        if named or len(values) != len(fields) or self._by_name:
            placed = () if self._by_name else fields[: len(values)]
            given = self._defaults | named
            is_twice = len({*placed, *named}) < len(values) + len(named)
            if is_twice or {*placed, *given} != self._types.keys():
                got = ", ".join([*map(repr, values), *(f"{name}=…" for name in named)])
                kind = type(self).__name__
                raise TypeError(f"{kind}: expected {self.__signature__}, got ({got})")
            for name, value in given.items():
                _put(self, name, value)
        for name, value in zip(fields, values, strict=False):
            _put(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """There is nothing to check."""

    def __eq__(self, other: object) -> bool:
        values_of = self._values_of
        return type(other) is type(self) and values_of(self) == values_of(other)

    def __hash__(self) -> int:
        return hash(self._values_of(self))

    def __repr__(self) -> str:
        parts = ", ".join(f"{field}={value!r}" for field, value in asdict(self).items())
        return f"{type(self).__qualname__}({parts})"

    def __getstate__(self) -> dict[str, Any]:
        return asdict(self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} cannot be removed")


def asdict(record: Record) -> dict[str, Any]:
    """Return the fields of a record by name; they are not copied."""
    return fields_of(record, *record._fields)


def fields_of(value: object, *names: str) -> dict[str, Any]:
    """Return some attributes of a value by name, as a part of a JSON document."""
    return {name: getattr(value, name) for name in names}


def replace(record: _Kind, **changes: Any) -> _Kind:
    """Return a record with other values in some fields."""
    return type(record)(**{**asdict(record), **changes})


def plain_json(value: Any) -> Any:
    """Return what JSON has for a value: records and arrays too, and None for NaN and infinity.

    >>> plain_json({"gap": float("nan"), "sides": (1, 2)})
    {'gap': None, 'sides': [1, 2]}
    """
    if isinstance(value, Record):
        value = asdict(value)
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
