"""What must not be forgotten: every part of the product is complete, named and used."""

from __future__ import annotations

import ast
import re
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
from integrator.flows import CASE_KINDS, FLOWS, OWN_TOPICS, ROUTES, SCHEDULE
from integrator.models import CaseEvent
from integrator.platforms import PLATFORMS
from integrator.roles import Role
from tests.code import OURS, ROOT, everywhere, sources
from tests.engine import rows

STATES = (integrator.models.states, fulfilment.states, returns.states, finance.states)


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
    # Names that say everything need no comment beside them.
    allowed = re.compile(
        r"(GRANTED|REFUSED|OPEN|NONE|REQUESTED|AUTHORISED|IN_TRANSIT|RECEIVED|INSPECTED) ="
    )

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

    assert missing == [], (
        f"store an example of each as {stored.relative_to(ROOT)}/event.<name>.json"
    )
    assert set(webhook.EVENTS) <= set(webhook.TOPICS), "every event needs its topic"


# --- flows and routes ----------------------------------------------------------------------------

NOT_FLOWS = {"__init__", "kinds", "platforms", "sweeping", "tasks", "truth"}


def flow_modules() -> dict[str, ModuleType]:
    folder = ROOT / "integrator" / "flows"
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem not in NOT_FLOWS)
    return {name: __import__(f"integrator.flows.{name}", fromlist=[name]) for name in names}


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
    keys = {"heard:unknown", "heard:quarantined", *OWN_TOPICS}
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


def test_everything_a_platform_may_tell_us_leads_somewhere() -> None:
    topics = {
        f"heard:{slug}:{topic}"
        for slug, platform in PLATFORMS.items()
        for topic in platform.webhook.TOPICS.values()
    }

    assert sorted(topics - set(ROUTES)) == [], (
        "it would be answered, kept and dropped: route it, or move its events to IGNORED"
    )


def test_every_tick_of_the_clock_is_routed() -> None:
    ticks = {f"heard:{every.platform}:{every.topic}" for every in SCHEDULE}

    assert sorted(ticks - set(ROUTES)) == [], "name a flow for it in ROUTES"


def test_a_sweep_reads_a_stream_its_platform_declares() -> None:
    read = {
        slug: flow_modules()[f"sweep_{slug}"].STREAM  # type: ignore[attr-defined]
        for slug in PLATFORMS
    }
    undeclared = {slug for slug, stream in read.items() if stream not in PLATFORMS[slug].streams}

    assert undeclared == set(), "its lag budget could not be set: name it in PLATFORMS"


# --- case kinds ----------------------------------------------------------------------------------

# Words of ours that nobody in the business uses.
JARGON = re.compile(
    r"\b(job|queue|worker|lease|fence|lane|webhook|payload|endpoint|API|HTTP|JSON|null|"
    r"exception|traceback|timeout|retry|retries|idempot\w*|cron|daemon|stack|database|boolean|"
    r"parse\w*|token|ID)\b"
)
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


@cache
def facts_given() -> set[str]:
    """Every name that code of ours puts into a dictionary: facts are written as plain ones."""
    elsewhere = ("integrator/sandbox/", "integrator/platforms/", "integrator/desk/")
    return {
        str(key.value)
        for _, node in everywhere(but=elsewhere)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }


@each_kind
def test_a_case_fills_its_sentences_from_facts_it_has(kind: CaseKind) -> None:
    asked = {name for text in sentences(kind) for _, name, _, _ in Formatter().parse(text) if name}

    unknown = asked - set(kind.evidence) - facts_given()
    assert unknown == set(), "give the fact where the case is opened, and list it as evidence"


def test_every_case_kind_is_opened_somewhere() -> None:
    here = (
        "integrator/engine/cases.py",
        "integrator/engine/case_kinds.py",
        "returns/exchange_cases.py",
    )
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
    from integrator.engine import alert_cases, by_hand, case_kinds, seal_cases
    from returns import cases as of_returns
    from returns import exchange_cases as of_exchanges

    kinds = [case_kinds, by_hand, seal_cases, alert_cases]
    return [*kinds, of_finance, of_fulfilment, of_returns, of_exchanges]


@pytest.mark.requirement("R081", "R112")
@pytest.mark.parametrize("code", sorted(CASE_KINDS))
def test_every_case_kind_says_who_by_when_what_to_do_and_who_is_told_next(code: str) -> None:
    kind = CASE_KINDS[code]

    assert kind.owner in Role.values
    assert 0 < kind.due_hours <= 7 * 24
    assert kind.actions, "nothing can be done about it"
    assert kind.ladder and set(kind.ladder) <= set(Role.values), "nobody is told when nobody acts"
    # Above the administrators is nobody: they are told once more.
    assert kind.ladder[0] != kind.owner or kind.owner == Role.ADMIN, "it stays with who did not act"
    for line in (kind.title, kind.happened, kind.means, kind.todo, kind.otherwise):
        assert line.strip()


def test_every_case_kind_is_in_the_catalogue() -> None:
    written = {
        value.code
        for module in case_modules()
        for value in vars(module).values()
        if isinstance(value, CaseKind)
    }

    assert sorted(written - set(CASE_KINDS)) == [], "name it in KINDS of its cases.py"


# --- decisions -----------------------------------------------------------------------------------


def test_every_decision_is_in_the_index_by_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    titles = {
        path.name: path.read_text("utf-8").partition("\n")[0].removeprefix("# ")
        for path in folder.glob("0*.md")
    }
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "README.md").read_text("utf-8"), re.M)

    assert {name: title for title, name in listed} == titles
    assert len(listed) == len(titles), "one is listed twice"
