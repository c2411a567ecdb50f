"""What must not be forgotten and what must not creep in. Every failure says what to do about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

import pytest
from django.db.models import TextChoices

import finance.states
import fulfilment.states
import integrator.flows
import integrator.models.states
import returns.states
from integrator import policy
from integrator.engine import records
from integrator.engine.cases import CaseKind
from integrator.engine.flow import Flow
from integrator.flows import CASE_KINDS, FLOWS, ROUTES, SCHEDULE
from integrator.models import CaseEvent
from integrator.platforms import PLATFORMS
from integrator.roles import Role
from tests.engine import rows

ROOT = Path(__file__).parent.parent
OURS = ("integrator", "fulfilment", "returns", "finance")
STATES = (integrator.models.states, fulfilment.states, returns.states, finance.states)
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


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


def label(value: Any) -> str:
    return getattr(value, "code", None) or getattr(value, "__name__", None) or str(value)


# --- records and states --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", records.RECORDS)
def test_every_record_kind_is_its_models(kind: str) -> None:
    model = records.model_of(kind)

    assert getattr(model, "RECORD_KIND", None) == kind, (
        f"give {model.__name__} RECORD_KIND = {kind!r}, or correct engine/records.py"
    )


def test_every_model_with_a_record_kind_is_registered() -> None:
    named = {model.RECORD_KIND for model in rows.every_model() if hasattr(model, "RECORD_KIND")}

    assert named == set(records.RECORDS), "add the missing kinds to RECORDS in engine/records.py"


def tables_of(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name.endswith("_MOVES")}


MOVES = {
    f"{module.__name__}.{name}": moves
    for module in STATES
    for name, moves in tables_of(module).items()
}


@pytest.mark.parametrize("name", MOVES)
def test_every_status_is_listed_and_can_be_reached(name: str) -> None:
    moves = MOVES[name]
    enum: type[TextChoices] = type(moves[""][0])
    reached: set[str] = set()
    found = list(moves[""])
    while found:
        state = found.pop()
        if state not in reached:
            reached.add(state)
            found += moves.get(state, ())

    assert reached == set(enum), f"list how {set(enum) - reached} can be reached in {name}"
    ends = {state for state in enum if not moves.get(state)}
    written = ast.unparse(sources()[f"{name.rpartition('.')[0].replace('.', '/')}.py"])
    for state in set(enum) - set(moves):
        assert state in ends
        assert f"{enum.__name__}.{state.name}" in written


def test_every_status_field_is_guarded_by_its_moves() -> None:
    guarded = {f"{model._meta.label}.{field}" for model, field in rows.moving()}
    enums = {type(moves[""][0]) for moves in MOVES.values()}
    fields = {
        f"{model._meta.label}.{field.name}"
        for model in rows.every_model()
        for field in model._meta.concrete_fields
        if any(field.choices == enum.choices for enum in enums)
    }

    assert fields - guarded == set(), "give the model MOVES and guarded_moves() in its triggers"


@pytest.mark.parametrize("module", STATES, ids=label)
def test_every_status_says_what_it_means(module: ModuleType) -> None:
    lines = Path(str(module.__file__)).read_text("utf-8").splitlines()
    enums = {type(moves[""][0]).__name__ for moves in tables_of(module).values()}
    silent = [
        line.strip()
        for node in ast.parse("\n".join(lines)).body
        if isinstance(node, ast.ClassDef) and node.name in enums
        for line in lines[node.lineno : node.end_lineno]
        if re.match(r"\s+[A-Z_]+ = ", line) and "#" not in line
    ]
    # Two names that say everything need no comment beside them.
    allowed = re.compile(r"GRANTED|REFUSED|OPEN =|REQUESTED|AUTHORISED|IN_TRANSIT|RECEIVED|INSPECTED")

    assert [line for line in silent if not allowed.match(line)] == [], (
        "write a comment that says what the status means for the business"
    )


# --- platforms -----------------------------------------------------------------------------------

FOLDERS = sorted(
    path.name
    for path in (ROOT / "integrator" / "platforms").iterdir()
    if path.is_dir() and path.name != "__pycache__"
)


def test_every_platform_folder_is_in_the_table() -> None:
    assert sorted(PLATFORMS) == FOLDERS, "add the platform to PLATFORMS in platforms/__init__.py"


@pytest.mark.parametrize("slug", FOLDERS)
def test_a_platform_is_complete(slug: str) -> None:
    folder = ROOT / "integrator" / "platforms" / slug
    needed = [folder / name for name in ("client.py", "wire.py", "webhook.py", "contract.toml")]
    needed.append(ROOT / "docs" / "platforms" / f"{slug}.md")

    assert [str(path.relative_to(ROOT)) for path in needed if not path.is_file()] == []


@pytest.mark.parametrize("slug", FOLDERS)
def test_every_event_of_a_platform_has_a_stored_example(slug: str) -> None:
    stored = ROOT / "tests" / "platforms" / slug / "fixtures"
    text = "".join(path.read_text("utf-8") for path in stored.glob("event*.json"))
    webhook = PLATFORMS[slug].webhook
    missing = [event for event in webhook.EVENTS if f'"{event}"' not in text]

    assert missing == [], f"store an example of each as {stored.relative_to(ROOT)}/event.<name>.json"
    assert set(webhook.EVENTS) <= set(webhook.TOPICS), "every event needs its topic"


# --- flows and routes ----------------------------------------------------------------------------

NOT_FLOWS = {"__init__", "tasks", "platforms"}


def flow_modules() -> dict[str, ModuleType]:
    folder = ROOT / "integrator" / "flows"
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem not in NOT_FLOWS)
    return {
        name: __import__(f"integrator.flows.{name}", fromlist=[name]) for name in names
    }


def test_every_flow_is_routed() -> None:
    written = {
        f"{name}.{attribute}": value
        for name, module in flow_modules().items()
        for attribute, value in vars(module).items()
        if isinstance(value, Flow)
    }
    forgotten = sorted(place for place, flow in written.items() if flow not in FLOWS.values())

    assert forgotten == [], "name it in ROUTES in flows/__init__.py"


def test_every_file_of_flows_is_used() -> None:
    imports = "\n".join(
        ast.unparse(node)
        for path, node in everywhere()
        if path.startswith("integrator/") and isinstance(node, ast.Import | ast.ImportFrom)
    )
    unused = [name for name in flow_modules() if not re.search(rf"\b{name}\b", imports)]

    assert unused == [], "route its flow, or delete the file"


def known_keys() -> set[str]:
    keys = {"heard:unknown", "heard:quarantined"}
    keys |= {
        f"heard:{slug}:{topic}"
        for slug, platform in PLATFORMS.items()
        for topic in platform.webhook.TOPICS.values()
    }
    keys |= {f"heard:{every.platform}:{every.topic}" for every in SCHEDULE}
    keys |= {f"case:{kind}" for kind in CaseEvent.Kind}
    keys |= {f"decided:{action.key}" for kind in CASE_KINDS.values() for action in kind.actions}
    for model, field in rows.moving():
        if hasattr(model, "RECORD_KIND"):
            states = {state for new in rows.moves_of(model, field).values() for state in new}
            keys |= {f"{model.RECORD_KIND}.{field}:{state}" for state in states}
    return keys


def test_every_route_can_happen() -> None:
    assert sorted(set(ROUTES) - known_keys()) == [], (
        "no platform declares this topic, no status or action is called this: correct the key"
    )


def test_every_tick_of_the_clock_is_routed() -> None:
    ticks = {f"heard:{every.platform}:{every.topic}" for every in SCHEDULE}

    assert sorted(ticks - set(ROUTES)) == [], "name a flow for it in ROUTES"


def test_a_flow_that_may_leave_a_doubt_says_how_long_it_takes() -> None:
    wrong = [
        name
        for name, flow in FLOWS.items()
        if flow.probe is not None and (flow.settle_minutes < 1 or flow.lookups_needed < 1)
    ]

    assert wrong == [], "a look-up needs time to settle and at least one answer"


# --- case kinds ----------------------------------------------------------------------------------

# Words of ours that nobody in the business uses.
JARGON = re.compile(
    r"\b(job|queue|worker|lease|fence|lane|webhook|payload|endpoint|API|HTTP|JSON|null|"
    r"exception|traceback|timeout|retry|retries|idempot\w*|cron|daemon|stack|database|boolean|"
    r"parse\w*|token|ID)\b"
)
# What a case of the engine always knows; a kind's own facts are listed as its evidence.
ALWAYS_KNOWN = {"step", "error", "crashes", "platform", "due"}
each_kind = pytest.mark.parametrize("kind", CASE_KINDS.values(), ids=label)


def sentences(kind: CaseKind) -> list[str]:
    return [kind.title, kind.happened, kind.means, kind.todo, kind.otherwise, kind.closes_when]


@each_kind
def test_a_case_says_what_happened_and_what_to_do(kind: CaseKind) -> None:
    assert all(sentence.strip() for sentence in sentences(kind)), "every line needs words"
    assert kind.actions, "a case nobody can do anything about is noise: give it an action"
    assert kind.owner in Role.values, "the owner is a role from roles.py"
    assert set(kind.ladder) <= set(Role.values), "the ladder is made of roles from roles.py"
    assert kind.due_hours > 0


@each_kind
def test_every_button_of_a_case_works(kind: CaseKind) -> None:
    assert len({action.key for action in kind.actions}) == len(kind.actions), "keys are unique"
    for action in kind.actions:
        assert f"decided:{action.key}" in ROUTES, f"route decided:{action.key} in ROUTES"
        assert action.verb in policy.VERBS, f"list {action.verb} in policy.VERBS"
        assert {kind.owner, *kind.ladder} & policy.VERBS[action.verb], (
            f"nobody responsible for {kind.code} may {action.verb}"
        )


@each_kind
def test_a_case_speaks_the_language_of_the_business(kind: CaseKind) -> None:
    said = [*sentences(kind), *(text for one in kind.actions for text in (one.label, one.says))]
    found = {word for text in said for word in JARGON.findall(re.sub(r"\{\w+\}", "", text))}

    assert found == set(), "say it in words that the owner of the case uses"


@each_kind
def test_a_case_fills_its_sentences_from_facts_it_has(kind: CaseKind) -> None:
    asked = {
        name for text in sentences(kind) for _, name, _, _ in Formatter().parse(text) if name
    }

    unknown = asked - set(kind.evidence) - ALWAYS_KNOWN
    assert unknown == set(), "list the fact as evidence, and give it where the case is opened"


def test_every_case_kind_is_opened_somewhere() -> None:
    here = ("integrator/engine/cases.py", "integrator/engine/case_kinds.py")
    used = {
        name
        for path, node in everywhere(but=(*here, *(f"{app}/cases.py" for app in OURS)))
        for name in (
            [node.attr]
            if isinstance(node, ast.Attribute)
            else [node.id]
            if isinstance(node, ast.Name)
            else [node.value]
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            else []
        )
    }
    by_name = {
        name: value.code
        for module in case_modules()
        for name, value in vars(module).items()
        if isinstance(value, CaseKind)
    }
    never = sorted(code for name, code in by_name.items() if not {name, code} & used)

    assert never == [], "open it where it happens, or delete it"


def case_modules() -> list[ModuleType]:
    from finance import cases as of_finance
    from fulfilment import cases as of_fulfilment
    from integrator.engine import case_kinds
    from returns import cases as of_returns

    return [case_kinds, of_finance, of_fulfilment, of_returns]


def test_every_case_kind_is_in_the_catalogue() -> None:
    written = {
        value.code
        for module in case_modules()
        for value in vars(module).values()
        if isinstance(value, CaseKind)
    }

    assert sorted(written - set(CASE_KINDS)) == [], "name it in KINDS of its cases.py"


# --- what must not creep in ----------------------------------------------------------------------

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
    "integrator/engine/http.py",
    "integrator/engine/limits.py",
    "integrator/engine/work.py",
    "integrator/flows/tasks.py",
    "integrator/flows/restock.py",  # the instant before a read must be taken right there
    "integrator/management/",
    "integrator/api/",
    "integrator/desk/",
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
        and not re.search(r"^(self\.)?now$", ast.unparse(node.func) if path.endswith("watch.py") else "")
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
        if tree.body and ast.get_docstring(tree) is None
        and not all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
    ]

    assert silent == [], "begin it with one to three lines: what it is for, and what not"


def test_nothing_is_swallowed() -> None:
    found = [
        at(path, node)
        for path, node in everywhere()
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]

    assert found == [], "handle it, name it, or let it go up"
