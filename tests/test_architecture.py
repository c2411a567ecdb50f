"""What must not creep in: who may change, call and ask for what, and how long things get."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.code import ROOT, at, everywhere, sources
from tests.engine import rows

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


STATUS_FIELDS = {field for _, field in rows.moving()}


def test_only_the_engine_changes_a_status() -> None:
    """``move()`` writes the fact with the change. The sandbox has statuses of its own."""
    elsewhere = ("integrator/engine/", "integrator/sandbox/", "integrator/platforms/")
    found = []
    for path, node in everywhere(but=elsewhere):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        found += [
            at(path, node)
            for target in targets
            if isinstance(target, ast.Attribute)
            and target.attr in STATUS_FIELDS
            and not (isinstance(target.value, ast.Name) and target.value.id == "self")
        ]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changed = {keyword.arg for keyword in node.keywords} & STATUS_FIELDS
            if node.func.attr in ("update", "update_or_create") and changed:
                found.append(at(path, node))

    assert found == [], "change it with engine.states.move()"


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


def test_only_one_module_speaks_http() -> None:
    found = [
        at(path, node)
        for path, node in everywhere(but=("integrator/engine/http.py", "integrator/sandbox/"))
        if {name.partition(".")[0] for name in imported(node)} & {"requests", "urllib3", "httpx"}
    ]

    assert found == [], "call platforms through engine.http"


def test_nothing_happens_behind_the_back_of_the_reader() -> None:
    """No signals: what follows from what is one line of ROUTES."""
    found = [
        at(path, node)
        for path, node in everywhere()
        for name in imported(node)
        if re.match(r"django\.(db\.models|core|dispatch|test)\.?(signals|dispatch)?\b", name)
        and ("signals" in name or "dispatch" in name)
    ]

    assert found == [], "name a flow in ROUTES instead of connecting to a signal"


# Where the time comes in. Everything else is given it as ``at``.
EDGES = (
    "integrator/engine/clock.py",
    "integrator/engine/watch.py",
    "integrator/engine/http.py",
    "integrator/engine/limits.py",
    "integrator/engine/work.py",
    "integrator/flows/tasks.py",
    "integrator/flows/show_in_transit.py",  # the instant before we count
    "integrator/flows/shop_stock.py",  # the instant between two looks must be taken right there
    "integrator/management/",
    "integrator/api/",
    "integrator/desk/",
    "integrator/admin.py",
    "integrator/templatetags/",
    "integrator/sandbox/",
    "integrator/local.py",
    "integrator/private_postgres.py",
)


def test_the_time_is_an_argument() -> None:
    found = [
        at(path, node)
        for path, node in everywhere(but=EDGES)
        if isinstance(node, ast.Call)
        and re.search(r"(^|\.)(now|utcnow|today)$", ast.unparse(node.func))
    ]

    assert found == [], "take the time as `at`; only the edges of the product ask for it"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_is_too_long() -> None:
    long = {
        path: lines
        for path in sources()
        if (lines := len((ROOT / path).read_text("utf-8").splitlines())) > MODULE_LINES_MAX
    }

    assert long == {}, f"split it by noun: a module has at most {MODULE_LINES_MAX} lines"


def test_no_function_is_too_long() -> None:
    long = [
        f"{at(path, one)} {one.name}"
        for path, tree in sources().items()
        for one in functions(tree)
        if (one.end_lineno or 0) - one.lineno + 1 > FUNCTION_LINES_MAX
    ]

    assert long == [], f"a function has at most {FUNCTION_LINES_MAX} lines"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path
        for path, tree in sources().items()
        if tree.body
        and ast.get_docstring(tree) is None
        and not all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
    ]

    assert silent == [], "begin it with one to three lines: what it is for, and what not"


def test_nothing_is_swallowed() -> None:
    found = [
        at(path, node)
        for path, node in everywhere(but=("integrator/sandbox/",))
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]

    assert found == [], "handle it, name it, or let it go up"
