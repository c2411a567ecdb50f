"""Every address of the product. Callbacks are answered before Django: see ``wsgi.py``."""

from django.urls import include, path

from integrator.admin import site
from integrator.api import partner
from integrator.desk import (
    audit,
    auth,
    case,
    case_approvals,
    case_verbs,
    connections,
    goodwill,
    health,
    lists,
    mappings,
    monitors,
    off_sale,
    order,
    people,
    queue,
    search,
    shell,
)

urlpatterns = [
    path("", queue.home, name="home"),
    path("queue/", queue.queue, name="own_queue"),
    path("queue/<slug:role>/", queue.queue, name="queue"),
    path("cases/", lists.cases, name="cases"),
    path("cases/<int:case_id>/", case.page, name="case"),
    path("cases/<int:case_id>/act/<slug:key>/", case_verbs.act, name="case_act"),
    path("cases/<int:case_id>/assign/", case_verbs.assign, name="case_assign"),
    path("cases/<int:case_id>/note/", case_verbs.note, name="case_note"),
    path("cases/<int:case_id>/snooze/", case_verbs.snooze, name="case_snooze"),
    path("cases/<int:case_id>/solve/", case_verbs.solve, name="case_solve"),
    path("cases/<int:case_id>/wake/", case_verbs.wake, name="case_wake"),
    path(
        "cases/<int:case_id>/approvals/<int:approval_id>/", case_approvals.agree, name="case_agree"
    ),
    path("cases/<int:case_id>/jobs/<int:job_id>/cancel/", case_verbs.cancel, name="case_cancel"),
    path("orders/", order.orders, name="orders"),
    path("orders/<int:order_id>/", order.order, name="order"),
    path("orders/<int:order_id>/goodwill/", goodwill.ask, name="order_goodwill"),
    path("off-sale/", off_sale.off_sale, name="off_sale"),
    path("find/", search.find, name="find"),
    path("steps/", lists.steps, name="steps"),
    path("monitors/", monitors.monitors, name="monitors"),
    path("mappings/", mappings.mappings_page, name="mappings"),
    path("mappings/save/", mappings.save, name="mapping_save"),
    path("mappings/approvals/<int:approval_id>/", mappings.agree, name="mapping_agree"),
    path("people/", people.people, name="people"),
    path("audit/", audit.audit, name="audit"),
    path("audit/copy/", audit.copy, name="audit_copy"),
    path("connections/", connections.connections, name="connections"),
    path("connections/<int:connection_id>/switch/", connections.change, name="connection_switch"),
    path("theme/", shell.theme, name="theme"),
    path("keys/", shell.keys, name="keys"),
    path("api/partner/returngo/orders/<str:number>", partner.order, name="partner_returngo_order"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("admin/", site.urls),
]

handler403 = auth.refused
handler404 = auth.missing
