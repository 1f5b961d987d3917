"""Make the schemas of the commands' JSON from outputs that tests have recorded.

Record and make them, after a change that is meant::

    RECORD_OUTPUTS=/tmp/outputs python -m pytest
    python tests/golden/make_schemas.py /tmp/outputs

What the keys mean stands in ``tests/support/schema_words.py``; after a change there::

    python tests/golden/make_schemas.py

Look at the difference before you commit it: a key that went, or a type that changed, breaks the
scripts of users, and needs a new number in `VERSION`.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.schema_words import expanded, meaning

VERSION = 1
FOLDER = Path(__file__).parents[2] / "src" / "convcli" / "cli" / "schemas"

FORMS = {
    "apply": ("summary", "blocks", "steps", "status", "plan", "result"),
    "pool": ("summary", "blocks", "steps", "status", "plan", "result"),
    "size": ("transposed", "questions", "clean"),
    "params": ("layers",),
    "stack": ("first", "classes", "field", "unit"),
    "learn": ("step",),
    "borders": ("strips",),
}
"""Keys that tell the forms of a command's output apart; the first that is there counts."""

MAPS = ("left_out", "weights_of", "extras", "decoders", "distribution")
"""Objects whose keys are names that differ from run to run."""

MOST_NAMES = 12
"""Objects with more keys than this, all of one type, are maps as well."""


def form_of(command: str, document: Any) -> str:
    """Name the form of an output: a list, an object with a telling key, or just an object."""
    if isinstance(document, list):
        return "list"
    return next((key for key in FORMS.get(command, ()) if key in document), "object")


def schema_of(values: list[Any], key: str = "") -> dict[str, Any]:
    """Return the narrowest schema that holds all values.

    Examples
    --------
    >>> schema_of([1, 2.5, None])
    {'type': ['null', 'number']}
    """
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number"}
    names |= {str: "string", list: "array", dict: "object"}
    types = {names[type(value)] for value in values}
    if "number" in types:
        types -= {"integer"}
    made: dict[str, Any] = {"type": sorted(types) if len(types) > 1 else next(iter(types), {})}
    if not types:
        return {}
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        made |= object_schema(objects, key)
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        made["items"] = schema_of(items)
    return made


def object_schema(objects: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return the properties of objects; those that all have are required."""
    keys = list(dict.fromkeys(name for value in objects for name in value))
    if key in MAPS:
        values = [value for one in objects for value in one.values()]
        return {"additionalProperties": schema_of(values, key)}
    properties = {
        name: schema_of([value[name] for value in objects if name in value], name)
        for name in keys
    }
    required = [name for name in keys if all(name in value for value in objects)]
    return {"properties": properties, "required": required}


def describe(schema: dict[str, Any], command: str, parent: str = "") -> None:
    """Say in a schema, and in those within it, what each key means."""
    for key, value in schema.get("properties", {}).items():
        if (words := meaning(command, parent, key)) and "description" not in value:
            value["description"] = words
        describe(value, command, key)
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    for value in inner:
        if isinstance(value, dict):
            describe(value, command, parent)


def without_words(schema: Any) -> Any:
    """Return a schema without the descriptions of its keys."""
    if isinstance(schema, list):
        return [without_words(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_words(value)
        for key, value in schema.items()
        if key != "description" or not isinstance(value, str)
    }


def text_of(value: Any, indent: int = 0, room: int = 100) -> str:
    """Return JSON in which what fits into a line stands in one.

    Examples
    --------
    >>> print(text_of({"a": [1, 2], "b": {"c": 3}}, room=14))
    {
     "a": [1, 2],
     "b": {"c": 3}
    }
    """
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent < room or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 1)
    if isinstance(value, list):
        body = [f"{inner}{text_of(one, indent + 1, room)}" for one in value]
    else:
        parts = {name: text_of(one, indent + 1, room) for name, one in value.items()}
        body = [f"{inner}{json.dumps(name)}: {part}" for name, part in parts.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return opening + "\n" + ",\n".join(body) + f"\n{' ' * indent}{closing}"


LONG = 100
"""Letters of a schema that is worth a name where it is needed again."""


def core(schema: Any) -> str:
    """Return a schema without its own description, as text: equal where it is the same."""
    inner = {key: value for key, value in schema.items() if key != "description"}
    return json.dumps(inner) if "type" in schema else ""


def parts_of(schema: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each long schema within a schema, and the key that it stands under."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if isinstance(value, dict | list):
            here = key if isinstance(name, int) or name in {"items", "properties"} else name
            yield from parts_of(value, here)
            if isinstance(value, dict) and len(core(value)) > LONG:
                yield core(value), here


def with_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Write each part that stands in a schema several times once, below ``$defs``."""
    found = list(parts_of(schema))
    counts = Counter(text for text, _ in found)
    names: dict[str, str] = {}
    for text, key in found:
        if counts[text] > 1 and text not in names:
            same = [name for name in names.values() if name.rstrip("0123456789") == key]
            names[text] = f"{key}{len(same) + 1}" if same else key
    definitions: dict[str, Any] = {}

    def shortened(value: Any) -> Any:
        if isinstance(value, list):
            return [shortened(one) for one in value]
        if not isinstance(value, dict):
            return value
        short = {key: shortened(one) for key, one in value.items()}
        name = names.get(core(value))
        if name is None:
            return short
        words = {key: short.pop(key) for key in ["description"] if key in short}
        definitions[name] = short
        return {"$ref": f"#/$defs/{name}", **words}

    return {**shortened(schema), **({"$defs": definitions} if definitions else {})}


def write(schema: dict[str, Any], command: str) -> None:
    """Write the schema of a command, with what its keys mean."""
    described = without_words(schema)
    describe(described, command)
    described = with_definitions(described)
    (FOLDER / f"{command}.json").write_text(text_of(described) + "\n", "utf-8")


def main(recorded: Path) -> None:
    """Write a schema for each command that was recorded."""
    outputs: dict[str, dict[str, list[Any]]] = {}
    for line in recorded.read_text("utf-8").splitlines():
        command, document = json.loads(line)
        outputs.setdefault(command, {}).setdefault(form_of(command, document), []).append(
            document
        )
    FOLDER.mkdir(exist_ok=True)
    for command, forms in outputs.items():
        made = [schema_of(documents) for _, documents in sorted(forms.items())]
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"convcli:{command}:{VERSION}",
            "title": f"What convcli {command} --json prints",
            **(made[0] if len(made) == 1 else {"anyOf": made}),
        }
        write(schema, command)


def describe_all() -> None:
    """Say in the schemas that are there what their keys mean."""
    for path in sorted(FOLDER.glob("*.json")):
        if path.stem != "recipe":
            write(expanded(json.loads(path.read_text("utf-8"))), path.stem)


if __name__ == "__main__":
    main(Path(sys.argv[1])) if sys.argv[1:] else describe_all()
