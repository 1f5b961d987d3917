"""Check docs/cluster/kubernetes.yaml against the resources that the Dask operator defines.

    python .ci/check_kubernetes.py dask_kubernetes-….whl docs/cluster/kubernetes.yaml

The wheel holds them as JSON Schemas. A key that they do not have is an error here: Kubernetes
would drop it without a word.
"""

import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import yaml


def main(wheel: str, path: str) -> None:
    """Validate each document of the file."""
    schemas = dict(_schemas(zipfile.ZipFile(wheel)))
    for document in yaml.safe_load_all(Path(path).read_text("utf-8")):
        jsonschema.validate(document, schemas[document["apiVersion"], document["kind"]])


def _schemas(wheel: zipfile.ZipFile) -> Any:
    """Yield the schema of each version of each resource."""
    for name in wheel.namelist():
        if "/crds/" not in name:
            continue
        for resource in yaml.safe_load_all(wheel.read(name)):
            spec = resource["spec"]
            for version in spec["versions"]:
                schema = _strict(version["schema"]["openAPIV3Schema"])
                schema["properties"].update(apiVersion={}, kind={}, metadata={})
                yield (f"{spec['group']}/{version['name']}", spec["names"]["kind"]), schema


def _strict(schema: Any) -> Any:
    """Return the schema, in which an object has no other keys than those that are named."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not is_open:
        strict.setdefault("additionalProperties", False)
    return strict


if __name__ == "__main__":
    main(*sys.argv[1:])
