"""The one way to define a value: a class of named fields that never change.

Three ways were measured on an AMD EPYC with Python 3.11, three fields each, by
``python benchmarks/values.py``:

- a frozen dataclass with slots takes 0.44 ms to define and 0.41 µs to make: its methods are
  compiled class by class, and the eighty that filtering a picture needs took 35 ms;
- a `typing.NamedTuple` takes 0.05 ms and 0.23 µs, but it is a tuple: it equals and unpacks as
  one, checks nothing, and cannot cache what follows from its fields;
- a `Record` takes 0.01 ms to define, for all share their methods, and 0.6 µs to make. An
  `__init__` of its own, compiled when it is first needed, makes one in 0.35 µs, but takes
  0.1 ms to compile: 5 ms for the 41 classes of which filtering a picture makes records.

What changes while it is used is no value: it is a plain class.
"""

from math import isfinite
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

_Kind = TypeVar("_Kind", bound="Record")


@dataclass_transform(frozen_default=True)
class _Definition(type):
    """Makes the annotated names of a class its fields and its slots."""

    _fields: tuple[str, ...]
    _field_set: frozenset[str]
    _field_defaults: dict[str, Any]
    _by_name: bool
    _last_defaults: tuple[Any, ...]
    _setters: tuple[Any, ...]
    _count: int
    _is_checked: bool
    _values_of: Any

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        body: dict[str, Any],
        *,
        kw_only: bool = False,
        cached: bool = False,
    ) -> "_Definition":
        # Slots come first, annotations (from Python 3.14) when a class is there to be asked.
        own = tuple(_annotations(super().__new__(cls, name, bases, body)))
        defaults = {field: body.pop(field) for field in own if field in body}
        has_dict = any("__dict__" in dir(base) for base in bases)
        slots = (*own, "__dict__") if cached and not has_dict else own
        made = super().__new__(cls, name, bases, {**body, "__slots__": slots})
        above = next((base for base in bases if isinstance(base, cls)), None)
        made._fields = (*above._fields, *own) if above else own
        made._field_set = frozenset(made._fields)
        made._field_defaults = {**above._field_defaults, **defaults} if above else defaults
        required = [
            i for i, field in enumerate(made._fields) if field not in made._field_defaults
        ]
        last = made._fields[required[-1] + 1 :] if required else made._fields
        made._last_defaults = tuple(made._field_defaults[field] for field in last)
        made._by_name = kw_only or getattr(above, "_by_name", False)
        made._setters = tuple(getattr(made, field).__set__ for field in made._fields)
        made._count = -1 if made._by_name else len(made._fields)
        made._is_checked = above is not None and ("__post_init__" in body or above._is_checked)
        made._values_of = attrgetter("__class__", *made._fields)
        return made

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **_: Any
    ) -> None:
        super().__init__(name, bases, body)

    @property
    def __signature__(cls) -> Any:
        """What `help` shows as the parameters."""
        from inspect import Parameter, Signature

        kind = Parameter.KEYWORD_ONLY if cls._by_name else Parameter.POSITIONAL_OR_KEYWORD
        types = {
            field: annotation
            for each in reversed(cls.__mro__)
            if isinstance(each, _Definition)
            for field, annotation in _annotations(each).items()
        }
        parameters = [
            Parameter(
                field,
                kind,
                default=cls._field_defaults.get(field, Parameter.empty),
                annotation=types[field],
            )
            for field in cls._fields
        ]
        return Signature(parameters)

    def completed(cls, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Return the values of all fields: those given by position, by name, and defaults.

        Raises
        ------
        TypeError
            If a field is missing, unknown, or given twice.
        """
        missing = len(cls._fields) - len(values)
        if not named and 0 < missing <= len(cls._last_defaults) and not cls._by_name:
            return values + cls._last_defaults[-missing:]
        given = {**cls._field_defaults, **named}
        wrong: object = False
        if values:
            placed = dict(zip(cls._fields, values, strict=False))
            wrong = len(placed) < len(values) or cls._by_name or placed.keys() & named.keys()
            given |= placed
        if wrong or given.keys() != cls._field_set:
            got = ", ".join([*map(repr, values), *(f"{name}=…" for name in named)])
            raise TypeError(f"{cls.__name__}: expected {cls.__signature__}, got ({got})")
        return tuple([given[field] for field in cls._fields])


def _annotations(kind: type) -> dict[str, Any]:
    """Return the annotations of a class itself, without those of what it inherits from."""
    # inspect.get_annotations, which does the same, takes 5 ms to import.
    found: dict[str, Any] = type.__dict__["__annotations__"].__get__(kind)  # noqa: RUF063
    return found


class Record(metaclass=_Definition):
    """A value of annotated fields: made by position or name, equal by them, never changed.

    ``__post_init__``, where there is one, checks them. With ``kw_only=True`` they are
    given by name; with ``cached=True`` it can have what `functools.cached_property` makes
    of them, which is not pickled. A record that inherits from another has its fields first.

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

    def __init__(self, *values: Any, **named: Any) -> None:
        kind = type(self)
        if named or len(values) != kind._count:
            values = kind.completed(values, named)
        for put, value in zip(kind._setters, values, strict=True):
            put(self, value)
        if kind._is_checked:
            self.__post_init__()

    def __post_init__(self) -> None:
        """There is nothing to check."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(_values(self))

    def __repr__(self) -> str:
        parts = ", ".join(f"{field}={value!r}" for field, value in asdict(self).items())
        return f"{type(self).__qualname__}({parts})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (type(self), asdict(self)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} cannot be removed")


def asdict(record: Record) -> dict[str, Any]:
    """Return the fields of a record by name; they are not copied."""
    return dict(zip(type(record)._fields, _values(record)[1:], strict=True))


def fields_of(value: object, *names: str) -> dict[str, Any]:
    """Return some attributes of a value by name, as a part of a JSON document."""
    return {name: getattr(value, name) for name in names}


def replace(record: _Kind, **changes: Any) -> _Kind:
    """Return a record with other values in some fields."""
    kind = type(record)
    fields = {**asdict(record), **changes}
    if kind.__init__ is not Record.__init__ or len(fields) != kind._count:
        return kind(**fields)
    return kind(*fields.values())


def _values(record: Record) -> tuple[Any, ...]:
    """Return the class and the values of the fields: equal where two records are."""
    values: tuple[Any, ...] = type(record)._values_of(record)
    return values


def _restored(kind: type[_Kind], fields: dict[str, Any]) -> _Kind:
    """Make what was pickled."""
    return kind(**fields)


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
