"""The product's own source, parsed once, for tests that read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("integrator", "fulfilment", "returns", "finance")


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of ours by its path, migrations excluded."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
        for package in OURS
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def everywhere(*, but: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.AST]]:
    """(path, node) of every module, except those whose path begins like one of ``but``."""
    for path, tree in sources().items():
        if not path.startswith(but):
            for node in ast.walk(tree):
                yield path, node


def at(path: str, node: ast.AST) -> str:
    return f"{path}:{getattr(node, 'lineno', 0)}"
