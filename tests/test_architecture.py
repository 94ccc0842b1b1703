"""The house: which folder may import which, and that every room is in the wheel."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("bench", "metrics", "datasets")
MAY_IMPORT = {
    "bench": {"bench", "metrics", "datasets"},
    "metrics": {"metrics"},
    "datasets": {"datasets"},
}


def modules(folder: str) -> list[Path]:
    """The Python files of a top-level folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[tuple[int, str]]:
    """(level, module) of every import statement in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.level, node.module or "")}
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder):
    """`bench` may use `metrics` and `datasets`; those two know neither each other nor `bench`."""
    for path in modules(folder):
        for level, module in imported(path):
            if level == 0 and module.split(".")[0] == "disbench":
                target = module.split(".")[1]
                assert target in MAY_IMPORT[folder], f"{path.relative_to(ROOT)} imports {module}"
                assert target != folder, f"{path.relative_to(ROOT)}: import {module} relatively"
            assert module.split(".")[0] not in FOLDERS or level > 0, f"{path.relative_to(ROOT)}: {module}"
            depth = len(path.relative_to(ROOT / folder).parts)
            assert level <= depth, f"{path.relative_to(ROOT)} leaves its folder by a relative import"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_circles(folder):
    """No module of a folder imports, directly or not, itself (imports inside functions are not followed)."""
    graph = {path: targets(path, folder) for path in modules(folder)}
    visiting: list[Path] = []
    done: set[Path] = set()

    def visit(path: Path) -> None:
        if path in done:
            return
        assert path not in visiting, " -> ".join(str(p.relative_to(ROOT)) for p in [*visiting, path])
        visiting.append(path)
        for target in graph.get(path, ()):
            visit(target)
        visiting.pop()
        done.add(path)

    for path in graph:
        visit(path)


def targets(path: Path, folder: str) -> set[Path]:
    """Files of the same folder that a file's top-level relative imports name."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        package = path.parent
        for _ in range(node.level - 1):
            package = package.parent
        place = package.joinpath(*(node.module or "").split(".")) if node.module else package
        # `from . import a` names modules; `from .a import b` names the module a, or the package a.
        candidates = [place.with_suffix(".py"), place / "__init__.py"] if node.module else []
        candidates += [place / f"{alias.name}.py" for alias in node.names]
        found |= {c for c in candidates if c.is_file() and c != path and ROOT / folder in c.parents}
    return found


def test_every_room_is_listed():
    """Subpackages are listed by hand in pyproject.toml: none may be missing, none may be gone."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    present = {
        "disbench." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(listed) == present


def test_installed_package_does_not_shadow_others():
    """Importing disbench brings no top-level `datasets`, `metrics` or `bench`."""
    import disbench.bench
    import disbench.datasets
    import disbench.metrics  # noqa: F401

    assert not {"datasets", "metrics", "bench"} & set(sys.modules)
