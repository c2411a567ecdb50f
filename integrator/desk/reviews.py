"""The quarterly review of roles: its list, and the decision about each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrator import access_reviews
from integrator.access_reviews import UnableToDecide
from integrator.desk import words
from integrator.desk.auth import DeskRequest, may, needs, trace_of
from integrator.desk.lists import number
from integrator.models import AccessReview, ReviewDecision, ReviewItem, RoleChange
from integrator.roles import Role

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Summary:
    """A review on *People*: how many of its roles are open, and whether it is late."""

    review: AccessReview
    symbol: str
    state: str
    number: int
    href: str


@dataclass(frozen=True, slots=True)
class Line:
    """One role of one person. ``state`` says what became of it.

    ``why_not`` says why the reader cannot decide; ``error`` what was wrong with what was sent.
    ``is_next``: the single keys decide about this one. ``same_href`` writes the reader's last
    reason into it.
    """

    item: ReviewItem
    name: str
    role: str
    state: str
    why_not: str = ""
    reason: str = ""
    error: str = ""
    is_next: bool = False
    last_reason: str = ""
    same_href: str = ""


def summaries(request: DeskRequest) -> list[Summary]:
    """Every review that is not finished, and the last one that is."""
    waiting = list(AccessReview.objects.filter(done_at__isnull=True).order_by("first_day"))
    last = AccessReview.objects.filter(done_at__isnull=False).order_by("-first_day")[:1]
    return [_summary(request, one) for one in (*waiting, *last)]


def _summary(request: DeskRequest, review: AccessReview) -> Summary:
    number, href = review.items.count(), reverse("review", args=[review.pk])
    if review.done_at is not None:
        return Summary(review, "ok", "done", number, href)
    left = access_reviews.open_items(review).count()
    symbol, state = "wait", f"{left} open, until {words.date_text(review.last_day)}"
    if _today(request) > review.last_day:
        symbol, state = "bad", f"{left} open, was due {words.date_text(review.last_day)}"
    return Summary(review, symbol, state, number, href)


@require_safe
@needs("people.see")
def review(request: DeskRequest, review_id: int) -> HttpResponse:
    return _show(request, get_object_or_404(AccessReview, pk=review_id))


@require_POST
@needs("people.review")
def decide(request: DeskRequest, item_id: int) -> HttpResponse:
    """Somebody keeps a role, or a second person is asked to take it away."""
    item = get_object_or_404(ReviewItem.objects.select_related("review"), pk=item_id)
    reason, do = words.typed(request.POST.get("reason", "")), request.POST.get("do", "")
    try:
        if do not in ("keep", "remove"):
            raise UnableToDecide("Choose whether they keep it")
        access_reviews.decide(
            item,
            keeps=do == "keep",
            reason=reason,
            today=_today(request),
            trace=trace_of(request),
            by=request.user,
        )
    except UnableToDecide as why:
        return _show(request, item.review, tried=(item.pk, reason, str(why)))
    said = "Kept" if do == "keep" else "A second person has been asked to take it away"
    messages.success(request, f"{said}: written down with your reason")
    return HttpResponseRedirect(_on(item))


def _on(item: ReviewItem) -> str:
    """The same list, at the row after the one that was decided."""
    there = reverse("review", args=[item.review_id])
    return f"{there}?after={item.pk}#next"


def _show(
    request: DeskRequest, review: AccessReview, *, tried: tuple[int, str, str] | None = None
) -> HttpResponse:
    held = set(access_reviews.held_items(review).values_list("pk", flat=True))
    changes = RoleChange.objects.filter(gives=False, ended_at__isnull=True)
    asked = set(changes.values_list("person_id", "role"))
    found = review.items.select_related("person", "decision__by")
    items = list(found.order_by("person__username", "role"))
    waiting = [one for one in items if one.pk in held and not _is_decided(one)]
    settled = [
        _settled(one, held=one.pk in held, asked=(one.person_id, one.role) in asked)
        for one in items
        if one.pk not in held or _is_decided(one)
    ]
    is_shown = tried is not None and tried[0] in {one.pk for one in waiting[:SHOWN]}
    lines = [_waiting(request, one, tried) for one in waiting[:SHOWN]]
    context = {
        "review": review,
        "summary": _summary(request, review),
        "waiting": _with_next(request, review, lines, [one.pk for one in items]),
        "left": len(waiting),
        "settled": settled[:SHOWN],
        "decided": len(settled),
        "fault": "" if tried is None or is_shown else tried[2],
    }
    return render(request, "desk/review.html", context, status=422 if tried else 200)


def _with_next(
    request: DeskRequest, review: AccessReview, lines: list[Line], in_order: list[int]
) -> list[Line]:
    """The lines with the next one to decide: the one with a mistake, or the first behind the last
    decision, or the first of all. The reader's last reason was about another person: it is
    offered, and written there only when it is asked for.
    """
    mine = [one for one in lines if not one.why_not]
    if not mine:
        return lines
    last = number(request.GET.get("after", ""))
    past = set(in_order[: in_order.index(last)]) if last in in_order else set()
    behind = [one for one in mine if one.item.pk not in past]
    chosen = next((one for one in mine if one.error), (behind or mine)[0])
    following = replace(chosen, is_next=True)
    decided = ReviewDecision.objects.filter(item__review=review, by=request.user)
    reason = decided.order_by("-id").values_list("reason", flat=True).first()
    if reason and not chosen.error:
        if "same" in request.GET:
            following = replace(following, reason=reason)
        else:
            query = urlencode({"after": last, "same": 1})
            there = f"{reverse('review', args=[review.pk])}?{query}#next"
            following = replace(following, last_reason=reason, same_href=there)
    return [following if one is chosen else one for one in lines]


def _is_decided(item: ReviewItem) -> bool:
    return hasattr(item, "decision")


def _settled(item: ReviewItem, *, held: bool, asked: bool) -> Line:
    if not _is_decided(item):
        state = "no longer held"
    elif item.decision.keeps:
        state = "kept"
    elif not held:
        state = "taken away"
    else:
        state = "waits for a second person" if asked else "kept: a second person refused"
    return Line(item, _name(item), _role(item), state)


def _waiting(request: DeskRequest, item: ReviewItem, tried: tuple[int, str, str] | None) -> Line:
    if item.person_id == request.user.pk:
        why_not = "It is about you: somebody else must decide."
    elif not may(request, "people.review"):
        why_not = "An integration admin or a controller decides."
    else:
        why_not = ""
    mine = tried if tried is not None and tried[0] == item.pk else (0, "", "")
    return Line(item, _name(item), _role(item), "", why_not, mine[1], mine[2])


def _name(item: ReviewItem) -> str:
    return item.person.get_full_name() or item.person.get_username()


def _role(item: ReviewItem) -> str:
    return str(Role(item.role).label) if item.role in Role.values else item.role


def _today(request: DeskRequest) -> date:
    return timezone.localtime(request.at).date()
