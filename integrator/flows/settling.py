"""How long a doubt about a write lasts, as the platforms' contracts say it: for all flows.

A flow names the writes it makes. A call of it that may have happened is believed not to have when
the slowest of them has settled, and as many look-ups found nothing as the strictest of them asks.
"""

from __future__ import annotations

from dataclasses import replace

from integrator.engine.flow import Flow
from integrator.platforms import PLATFORMS
from integrator.platforms.contract import Write


def write_named(name: str) -> Write:
    """The write ``<platform>:<write>`` of that platform's contract."""
    slug, _, write = name.partition(":")
    return PLATFORMS[slug].contract.writes[write]


def settling(flow: Flow, *names: str) -> Flow:
    """The flow with the times and look-ups of the contracts' writes ``names``."""
    writes = [write_named(name) for name in names]
    return replace(
        flow,
        writes=names,
        settle_minutes=max(write.settle_minutes for write in writes),
        lookups_needed=max(write.lookups_needed for write in writes),
    )
