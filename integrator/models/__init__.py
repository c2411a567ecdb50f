"""The engine's tables. Retail's own records live in fulfilment, returns and finance."""

from integrator.models.alerts import AlertChoice, AlertReceiver, Digest
from integrator.models.audit import Export, Seal, SealCheck, Sighting
from integrator.models.batches import Batch, BatchItem
from integrator.models.bulks import Bulk, BulkItem
from integrator.models.case_counts import CaseCount
from integrator.models.cases import Case, CaseEvent, CasePresence, Note
from integrator.models.configuration import Approval, Mapping, MappingKind, PolicyVersion
from integrator.models.connections import Connection, Cursor, RateWindow, Retailer
from integrator.models.facts import Link, Message, Payload, Stranger, Transition
from integrator.models.jobs import Attempt, Heartbeat, Job
from integrator.models.maintenance import IncidentNote, MaintenanceWindow
from integrator.models.mapping_files import MappingFile
from integrator.models.mapping_plans import MappingPlan
from integrator.models.people import RoleChange, RoleGrant, SignInEvent
from integrator.models.reviews import AccessReview, ReviewDecision, ReviewItem
from integrator.models.states import (
    ApprovalState,
    BatchItemState,
    BatchState,
    BulkItemState,
    BulkState,
    CaseState,
    ConnectionState,
    DigestState,
    JobState,
    MaintenanceState,
    MappingFileState,
    MappingPlanState,
    ViewAlertState,
)
from integrator.models.views import KeyChoice, SavedView, ScreenChoice, ViewAlert

__all__ = [
    "AccessReview",
    "AlertChoice",
    "AlertReceiver",
    "Approval",
    "ApprovalState",
    "Attempt",
    "Batch",
    "BatchItem",
    "BatchItemState",
    "BatchState",
    "Bulk",
    "BulkItem",
    "BulkItemState",
    "BulkState",
    "Case",
    "CaseCount",
    "CaseEvent",
    "CasePresence",
    "CaseState",
    "Connection",
    "ConnectionState",
    "Cursor",
    "Digest",
    "DigestState",
    "Export",
    "Heartbeat",
    "IncidentNote",
    "Job",
    "JobState",
    "KeyChoice",
    "Link",
    "MaintenanceState",
    "MaintenanceWindow",
    "Mapping",
    "MappingFile",
    "MappingFileState",
    "MappingKind",
    "MappingPlan",
    "MappingPlanState",
    "Message",
    "Note",
    "Payload",
    "PolicyVersion",
    "RateWindow",
    "Retailer",
    "ReviewDecision",
    "ReviewItem",
    "RoleChange",
    "RoleGrant",
    "SavedView",
    "ScreenChoice",
    "Seal",
    "SealCheck",
    "Sighting",
    "SignInEvent",
    "Stranger",
    "Transition",
    "ViewAlert",
    "ViewAlertState",
]
