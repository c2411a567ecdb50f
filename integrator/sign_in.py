"""Who somebody is here whom the retailer's sign-in provider vouches for. No account is made here.

Their e-mail address is asked once, to link them; from then on the provider's own mark of them (the
*subject*) is what counts. Roles are never the provider's. And what is of note about accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from integrator.engine.states import Trace
from integrator.models import SignInEvent

LONGEST_REASON = 200


class Why(Enum):
    """Why somebody is not let in, in their own words; ``{name}`` is the provider's."""

    CANCELLED = "You did not finish signing in at {name}. Start again when you like."
    TOO_LATE = (
        "This sign-in was begun in another window, or more than ten minutes ago. Start again."
    )
    UNCLEAR = (
        "{name} did not answer as agreed, so nobody is signed in. Start again; if it happens again,"
        " tell your integration admin."
    )
    NOT_VERIFIED = (
        "{name} does not say that your e-mail address is verified. Ask whoever looks after your"
        " account at {name} to have it verified."
    )
    UNKNOWN = (
        "Nobody here has the e-mail address that {name} knows you by. Ask your integration admin"
        " for an account; if you have one, sign in with your user name and enter that address on"
        " My alerts."
    )
    SHARED = (
        "Several accounts here have the e-mail address that {name} knows you by. Ask your"
        " integration admin to give each its own."
    )
    LEFT = "This account is closed. Ask your integration admin whether it is to work again."
    OTHER_SUBJECT = (
        "Your account here is linked to another account at {name} with the same e-mail address."
        " Your integration admin sees this on your page under People, and can let you link anew."
    )


class UnableToSignIn(Exception):
    """Nobody is signed in. Carries the reason to show."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.name)
        self.why = why


class UnableToUnlink(Exception):
    """The link stays. Says why, for the person who asks."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the provider says of somebody, after its signature was checked."""

    issuer: str
    subject: str
    email: str
    is_verified: bool


def person_of(claim: Claim, *, at: datetime) -> User:
    """The person here, linked from now on. Two answers at once link the same person once."""
    with transaction.atomic():
        found = _linked(claim, at=at) or _by_address(claim, at=at)
    if isinstance(found, Why):
        raise UnableToSignIn(found)
    return found


def _linked(claim: Claim, *, at: datetime) -> User | Why | None:
    known = SocialAccount.objects.filter(provider=claim.issuer, uid=claim.subject)
    link = known.select_related("user").first()
    if link is None:
        return None
    return link.user if link.user.is_active else _refuse(link.user, Why.LEFT, claim, at)


def _by_address(claim: Claim, *, at: datetime) -> User | Why:
    if not claim.email or not claim.is_verified:
        return Why.NOT_VERIFIED
    alike = User.objects.select_for_update(no_key=True).filter(email__iexact=claim.email)
    # The database folds letters that are not the same: an i without a dot is another letter.
    people = [one for one in alike if one.email.lower() == claim.email.lower()]
    if len(people) != 1:
        return Why.SHARED if people else Why.UNKNOWN
    person = people[0]
    if not person.is_active:
        return _refuse(person, Why.LEFT, claim, at)
    link = SocialAccount.objects.filter(user=person, provider=claim.issuer).first()
    if link is None:
        SocialAccount.objects.create(user=person, provider=claim.issuer, uid=claim.subject)
        _keep(person, SignInEvent.What.LINKED, claim, at, actor=f"user:{person.get_username()}")
    elif link.uid != claim.subject:
        return _refuse(person, Why.OTHER_SUBJECT, claim, at)
    return person


def _refuse(person: User, why: Why, claim: Claim, at: datetime) -> Why:
    _keep(person, SignInEvent.What[why.name], claim, at, actor="provider")
    return why


def _keep(person: User, what: SignInEvent.What, claim: Claim, at: datetime, *, actor: str) -> None:
    """A refusal is kept once a day, however often it is tried."""
    event = SignInEvent(
        person=person,
        what=what,
        issuer=claim.issuer,
        subject=claim.subject,
        actor=actor,
        day=timezone.localtime(at).date(),
        at=at,
    )
    SignInEvent.objects.bulk_create([event], ignore_conflicts=True)


def note(person: User, what: SignInEvent.What, *, trace: Trace) -> None:
    """Keep what somebody did about an account, for the page *Audit*."""
    SignInEvent.objects.create(
        person=person,
        what=what,
        actor=trace.actor,
        day=timezone.localtime(trace.at).date(),
        at=trace.at,
    )


def forget_ways_in(person: User) -> None:
    """As long as an account has no role its address is an admin's to change, and so is every way
    in that follows from it. Whoever gets a first role comes in by their own address alone.
    """
    person.set_unusable_password()
    person.save(update_fields=["password"])
    SocialAccount.objects.filter(user=person).delete()
    Authenticator.objects.filter(user=person).delete()
    EmailAddress.objects.filter(user=person).exclude(email__iexact=person.email).delete()


def link_of(person: User, issuer: str) -> SocialAccount | None:
    return SocialAccount.objects.filter(user=person, provider=issuer).first()


def unlink(person: User, *, issuer: str, reason: str, trace: Trace, by: User) -> None:
    """Forget which account at the provider is theirs: the next with their address is linked."""
    if person.pk == by.pk:
        raise UnableToUnlink("Somebody else must let you link anew")
    if not reason or len(reason) > LONGEST_REASON:
        raise UnableToUnlink(f"Say why, in at most {LONGEST_REASON} characters")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        link = link_of(person, issuer)
        if link is None:
            raise UnableToUnlink("They are not linked any more")
        link.delete()
        SignInEvent.objects.create(
            person=person,
            what=SignInEvent.What.UNLINKED,
            issuer=issuer,
            subject=link.uid,
            reason=reason,
            actor=trace.actor,
            day=timezone.localtime(trace.at).date(),
            at=trace.at,
        )
