"""The roles people have. What each may do is in ``policy.py``."""

from __future__ import annotations

from django.db.models import TextChoices


class Role(TextChoices):
    """One per team; a person may have several, unless ``policy.TOXIC`` forbids the pair."""

    CX = "CX", "Customer service"
    OPERATIONS = "OPERATIONS", "Operations"
    FINANCE = "FINANCE", "Finance"
    CONTROLLER = "CONTROLLER", "Controller"  # approves what finance asks for
    ADMIN = "ADMIN", "Integration admin"
    AUDITOR = "AUDITOR", "Auditor"  # reads everything, changes nothing
