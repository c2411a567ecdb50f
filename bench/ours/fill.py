"""Fills our side's database with sales and open cases: `python -m bench.ours.fill ORDERS CASES`.

One row of each is made by the product's own models; the rest are copies the database makes of it.
Every order has a unit and three facts of its time line. Half of the cases are of a cause of their
own, the others share one of a hundred.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import django

django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.db import connection, models  # noqa: E402

from fulfilment.models import Order, OrderItem, Sku  # noqa: E402
from fulfilment.shapes import Billing, UnitStatus  # noqa: E402
from integrator.engine import case_counts, cases  # noqa: E402
from integrator.engine.states import Trace, born  # noqa: E402
from integrator.flows import CASE_KINDS  # noqa: E402
from integrator.models import Case, CaseEvent, Connection, Retailer, Transition  # noqa: E402
from integrator.roles import Role  # noqa: E402

ALONE, SHARED = "RESTOCK_FAILED", "MAPPING_MISSING"
CAUSES = 100


def main(orders: int, cases_: int) -> None:
    at = datetime.now(UTC)
    order = _sale(at)
    alone, shared = (_case(code, order, at) for code in (ALONE, SHARED))
    person = User.objects.create_user("omar")
    person.groups.add(Group.objects.get_or_create(name=Role.OPERATIONS.value)[0])
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the triggers guard, not count
        _copies(Order, order.pk, orders, _order_differs(order))
        _copies(OrderItem, order.items.get().pk, orders, {"order_id": "%(first)s + n", **_SOLD})
        for fact in Transition.objects.filter(order_id=order.pk):
            about = {"order_id": f"{order.pk} + n", "record_id": f"{order.pk} + n"}
            _copies(Transition, fact.pk, orders, about)
        for place, case in enumerate((alone, shared)):
            number = f"{shared.pk + place * (cases_ // 2)} + n"
            _copies(Case, case.pk, cases_ // 2, {"id": number, **_case_differs(case, order)})
            event = CaseEvent.objects.get(case=case)
            _copies(CaseEvent, event.pk, cases_ // 2, {"case_id": number})
        cursor.execute("SET session_replication_role = origin")
        case_counts.recount(CASE_KINDS)
        case_counts.fold(above=0)
        cursor.execute("VACUUM ANALYZE")
    assert Order.objects.count() == orders + 1
    assert Case.objects.filter(state="OPEN").count() == cases_ // 2 * 2 + 2


def _sale(at: datetime) -> Order:
    retailer = Retailer.objects.get()
    sku = Sku.objects.create(retailer=retailer, code="JKT-NVY-M", name="Harbour jacket, navy")
    order = Order.objects.create(
        connection=Connection.objects.get(),
        external_id="0",
        number="DE-0",
        shop="nb",
        country="DE",
        currency="EUR",
        billing=Billing.PAID,
        paid_minor=8925,
        placed_at=at,
        captured_at=at,
        source_updated_at=at,
        read_at=at,
    )
    OrderItem.objects.create(
        order=order,
        external_id="0",
        sku=sku,
        paid_minor=8925,
        tax_minor=1425,
        tax_rate="0.19",
        platform_status=UnitStatus.SHIPPED,
        platform_word="shipped",
    )
    born(order, "status", reason="The shop confirmed it", trace=Trace(at=at, actor="bench"))
    return order


def _case(code: str, order: Order, at: datetime) -> Case:
    return cases.open_case(
        CASE_KINDS[code],
        cases.About(
            "order", order.pk, order.pk, order.connection_id, money_minor=8925, currency="EUR"
        ),
        trace=Trace(at=at - timedelta(days=1), actor="bench"),
        cause=f"bench:{code}",
        facts={"order": order.number, "sku": "JKT-NVY-M", "platform": "SCAYLE"},
    )


_SOLD = {"external_id": "n::text"}


def _order_differs(order: Order) -> Mapping[str, str]:
    return {
        "external_id": "n::text",
        "number": "'DE-' || n",
        "placed_at": "placed_at - n * interval '20 seconds'",
    }


def _case_differs(case: Case, order: Order) -> Mapping[str, str]:
    cause = "cause || ':' || n" if case.kind == ALONE else f"cause || ':' || n %% {CAUSES}"
    return {
        "record_id": f"{order.pk} + n",
        "order_id": f"{order.pk} + n",
        "cause": cause,
        "opened_at": "opened_at - n * interval '7 seconds'",
        "due_at": "due_at - n * interval '5 seconds'",
        "money_minor": "money_minor + n %% 10000",
    }


def _copies(
    model: type[models.Model], template: int, number: int, differs: Mapping[str, str]
) -> None:
    """``number`` rows like the template, numbered on from it; ``n`` counts them from one."""
    columns = [field.column for field in model._meta.concrete_fields]
    drawn = "nextval('integrator_fact_id')" if model in (Transition, CaseEvent) else "id + n"
    values = {"id": drawn, **differs}
    said = ", ".join(values.get(one, one) for one in columns)
    table = model._meta.db_table
    statement = f"""INSERT INTO {table} ({", ".join(columns)})
        SELECT {said} FROM {table}, generate_series(1, %(number)s) n WHERE id = %(template)s"""  # noqa: S608
    with connection.cursor() as cursor:
        first = Order.objects.order_by("id").values_list("pk", flat=True)[0]
        cursor.execute(statement, {"number": number, "template": template, "first": first})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
