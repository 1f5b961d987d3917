"""What holds the house together: unique names, and tests where their subject is."""

import ast
import functools
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "convcli"
TESTS = ROOT / "tests"

ELSEWHERE = {"corpus", "docs", "foreign", "golden", "robustness", "support"}
"""Folders of tests that are not named after a package of the program."""


@functools.cache
def defined() -> list[tuple[Path, type[ast.stmt], str]]:
    """Return what the modules of the program define: where, a class or a function, its name."""
    return [
        (path.relative_to(SOURCE), type(node), node.name)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.parse(path.read_text("utf-8"), path.name).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]


def repeated(places: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: where for name, where in places.items() if len(where) > 1}


def test_no_two_modules_define_a_class_of_the_same_name() -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    for path, kind, name in defined():
        if kind is ast.ClassDef:
            modules[name].add(str(path))
    assert repeated(modules) == {}


def test_no_two_packages_define_a_public_function_of_the_same_name() -> None:
    packages: dict[str, set[str]] = defaultdict(set)
    for path, kind, name in defined():
        if kind is ast.FunctionDef and not name.startswith("_"):
            packages[name].add(path.parts[0])
    assert repeated(packages) == {}


def test_the_folders_of_tests_are_the_packages_of_the_program() -> None:
    packages = {str(path.parent.relative_to(SOURCE)) for path in SOURCE.rglob("*.py")}
    folders = {str(path.parent.relative_to(TESTS)) for path in TESTS.rglob("*.py")}
    assert folders - ELSEWHERE <= packages
    assert {path.parts[0] for path in map(Path, packages - {"."})} <= folders


def test_what_tests_share_is_imported_from_support_alone() -> None:
    """A folder of tests runs without any other, for it imports from no other."""
    paths = sorted(TESTS.rglob("*.py"))
    others = {str(path.parent.relative_to(TESTS)) for path in paths} - {".", "support"}
    texts = {path: path.read_text("utf-8") for path in paths}
    import_from = re.compile(rf"\bfrom[\s\\]+({'|'.join(others)})\b")  # or words of a text
    foreign = [
        (path.name, node.module)
        for path, text in texts.items()
        if import_from.search(text)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in others
    ]
    assert foreign == []


def test_the_guide_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"\b(?:src|tests|docs|benchmarks|\.ci)/[\w./-]*[\w/]", text)
    files = [name for name in named if "NAME" not in name]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_guide_has_a_paragraph_for_each_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert {name for name in packages if f"**`{name}/`**" not in text} == set()


def test_a_commit_is_checked_by_what_the_whole_check_runs() -> None:
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    steps = re.findall(r"^step '(.*)'$", run, re.MULTILINE)
    assert steps
    assert re.findall(r"^ +entry: (.*)$", hooks, re.MULTILINE) == steps
