"""The engine's own statuses and the moves between them.

The empty key says how a row may be born.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import TextChoices

BORN = ""
Moves = Mapping[str, Sequence[str]]


class ConnectionState(TextChoices):
    ACTIVE = "ACTIVE", "Active"  # calls are made
    DEGRADED = "DEGRADED", "Degraded"  # it stopped answering: one probing call at a time
    NEEDS_CREDENTIALS = "NEEDS_CREDENTIALS", "Needs credentials"  # it refused ours: work is held
    PAUSED = "PAUSED", "Paused"  # a person stopped it: work is held, in order


CONNECTION_MOVES: Moves = {
    BORN: (ConnectionState.ACTIVE, ConnectionState.PAUSED),
    ConnectionState.ACTIVE: (
        ConnectionState.DEGRADED,
        ConnectionState.NEEDS_CREDENTIALS,
        ConnectionState.PAUSED,
    ),
    ConnectionState.DEGRADED: (
        ConnectionState.ACTIVE,
        ConnectionState.NEEDS_CREDENTIALS,
        ConnectionState.PAUSED,
    ),
    ConnectionState.NEEDS_CREDENTIALS: (ConnectionState.ACTIVE, ConnectionState.PAUSED),
    # Paused anew: what was to start again by itself now waits for a person.
    ConnectionState.PAUSED: (ConnectionState.ACTIVE, ConnectionState.PAUSED),
}


class MaintenanceState(TextChoices):
    PLANNED = "PLANNED", "Planned"  # announced: nothing is held yet
    BEGUN = "BEGUN", "Going on"  # it holds the connection, and starts it again when it ends
    OVER = "OVER", "Over"  # it holds nothing any more: its end has come, or a person decided
    CANCELLED = "CANCELLED", "Cancelled"  # taken back before it began


MAINTENANCE_MOVES: Moves = {
    BORN: (MaintenanceState.PLANNED, MaintenanceState.BEGUN),
    MaintenanceState.PLANNED: (
        MaintenanceState.BEGUN,
        MaintenanceState.OVER,
        MaintenanceState.CANCELLED,
    ),
    MaintenanceState.BEGUN: (MaintenanceState.OVER,),
    MaintenanceState.OVER: (),
    MaintenanceState.CANCELLED: (),
}
MAINTENANCE_OPEN = (MaintenanceState.PLANNED, MaintenanceState.BEGUN)


class JobState(TextChoices):
    DUE = "DUE", "Due"  # to be run as soon as its lane is free
    RUNNING = "RUNNING", "Running"  # a worker holds its lease
    WAITING = "WAITING", "Waiting"  # to be tried again at not_before; keeps its place in its lane
    IN_DOUBT = "IN_DOUBT", "In doubt"  # it may have happened: blocks its lane until looked up
    PARKED = "PARKED", "Parked"  # a person decides; blocks nothing but itself
    DONE = "DONE", "Done"  # proved, with evidence
    CANCELLED = "CANCELLED", "Cancelled"  # no longer owed, by a named person or fact


JOB_MOVES: Moves = {
    BORN: (JobState.DUE,),
    JobState.DUE: (JobState.RUNNING, JobState.DONE, JobState.PARKED, JobState.CANCELLED),
    JobState.RUNNING: (
        JobState.DONE,
        JobState.WAITING,
        JobState.IN_DOUBT,
        JobState.PARKED,
        JobState.DUE,
    ),
    JobState.WAITING: (
        JobState.RUNNING,
        JobState.DONE,
        JobState.PARKED,
        JobState.CANCELLED,
        JobState.DUE,
    ),
    JobState.IN_DOUBT: (JobState.DONE, JobState.WAITING, JobState.PARKED, JobState.CANCELLED),
    JobState.PARKED: (JobState.DUE, JobState.CANCELLED, JobState.DONE),
}
JOB_AT_WORK = (JobState.DUE, JobState.RUNNING, JobState.WAITING)
JOB_OPEN = (*JOB_AT_WORK, JobState.IN_DOUBT)


class CaseState(TextChoices):
    OPEN = "OPEN", "Open"
    SNOOZED = "SNOOZED", "Snoozed"  # comes back at a time, when something changes, or when worse
    SOLVED = "SOLVED", "Solved"  # a person or a later fact solved it; returns as OPEN if it recurs


CASE_MOVES: Moves = {
    BORN: (CaseState.OPEN,),
    CaseState.OPEN: (CaseState.SNOOZED, CaseState.SOLVED),
    CaseState.SNOOZED: (CaseState.OPEN, CaseState.SOLVED),
    CaseState.SOLVED: (CaseState.OPEN,),
}


class ApprovalState(TextChoices):
    ASKED = "ASKED", "Asked"  # waits for a second person
    GRANTED = "GRANTED", "Granted"
    REFUSED = "REFUSED", "Refused"
    USED = "USED", "Used"  # the approved content was carried out, once
    WITHDRAWN = "WITHDRAWN", "Taken back"  # by who asked, before anybody answered


APPROVAL_MOVES: Moves = {
    BORN: (ApprovalState.ASKED,),
    ApprovalState.ASKED: (
        ApprovalState.GRANTED,
        ApprovalState.REFUSED,
        ApprovalState.WITHDRAWN,
    ),
    ApprovalState.GRANTED: (ApprovalState.USED,),
}


class BatchState(TextChoices):
    COLLECTING = "COLLECTING", "Collecting"  # its window is open: changes still join it
    POSTING = "POSTING", "Being posted"  # closed with a count; each item is a job of its own
    DONE = "DONE", "Posted"  # every item has its result; failed ones are in a later batch too


BATCH_MOVES: Moves = {
    BORN: (BatchState.COLLECTING,),
    BatchState.COLLECTING: (BatchState.POSTING,),
    BatchState.POSTING: (BatchState.DONE,),
    BatchState.DONE: (),
}


class BatchItemState(TextChoices):
    COLLECTED = "COLLECTED", "Collected"  # waits for its batch to close
    DUE = "DUE", "To be posted"  # its batch is closed: this is owed now
    POSTED = "POSTED", "Posted"  # written, and seen there
    UNCHANGED = "UNCHANGED", "Nothing new"  # it was there already: nothing was written
    FAILED = "FAILED", "Failed"  # refused; a case is open, and a later batch has it again


BATCH_ITEM_MOVES: Moves = {
    BORN: (BatchItemState.COLLECTED,),
    BatchItemState.COLLECTED: (BatchItemState.DUE,),
    BatchItemState.DUE: (BatchItemState.POSTED, BatchItemState.UNCHANGED, BatchItemState.FAILED),
    BatchItemState.FAILED: (BatchItemState.POSTED, BatchItemState.UNCHANGED),
    BatchItemState.POSTED: (),
    BatchItemState.UNCHANGED: (),
}
BATCH_ITEM_OPEN = (BatchItemState.COLLECTED, BatchItemState.DUE)


class DigestState(TextChoices):
    DUE = "DUE", "To be sent"  # its hour has come
    SENT = "SENT", "Sent"  # the mail server has it
    EMPTY = "EMPTY", "Nothing to say"  # nothing needed the role, or its day was over: no mail


DIGEST_MOVES: Moves = {
    BORN: (DigestState.DUE,),
    DigestState.DUE: (DigestState.SENT, DigestState.EMPTY),
    DigestState.SENT: (),
    DigestState.EMPTY: (),
}


class ViewAlertState(TextChoices):
    BELOW = "BELOW", "Not above"  # at most as many as the alert says: the next rise is told
    ABOVE = "ABOVE", "Above"  # more than that, which has been told or stood there from the first


VIEW_ALERT_MOVES: Moves = {
    BORN: (ViewAlertState.BELOW, ViewAlertState.ABOVE),
    ViewAlertState.BELOW: (ViewAlertState.ABOVE,),
    ViewAlertState.ABOVE: (ViewAlertState.BELOW,),
}


class BulkState(TextChoices):
    PREPARED = "PREPARED", "Being prepared"  # shown to its maker; nothing has been decided
    # Each case that is ready is a job of its own.
    RUNNING = "RUNNING", "Running"  # it has stopped when all that is left waits for a person
    DONE = "DONE", "Finished"  # every case has its result
    CANCELLED = "CANCELLED", "Cancelled"  # a person stopped it: what was not done stays undone


BULK_MOVES: Moves = {
    BORN: (BulkState.PREPARED,),
    BulkState.PREPARED: (BulkState.RUNNING,),
    # Running anew: a person has what had stopped tried again, from where it stood.
    BulkState.RUNNING: (BulkState.RUNNING, BulkState.DONE, BulkState.CANCELLED),
    BulkState.DONE: (),
    BulkState.CANCELLED: (),
}


class BulkItemState(TextChoices):
    READY = "READY", "To be done"  # it will be tried once the bulk runs
    EXCLUDED = "EXCLUDED", "Left out"  # known before: the reason says why
    DONE = "DONE", "Done"  # the decision was taken, as if on the case's own page
    SKIPPED = "SKIPPED", "Skipped"  # not as it had been shown, or its step was given up
    FAILED = "FAILED", "Failed"  # a fault of ours: nothing was decided about it


BULK_ITEM_MOVES: Moves = {
    BORN: (BulkItemState.READY, BulkItemState.EXCLUDED),
    BulkItemState.READY: (BulkItemState.DONE, BulkItemState.SKIPPED, BulkItemState.FAILED),
    BulkItemState.EXCLUDED: (),
    BulkItemState.DONE: (),
    BulkItemState.SKIPPED: (),
    BulkItemState.FAILED: (),
}


class MappingFileState(TextChoices):
    PREPARED = "PREPARED", "Being looked at"  # shown to who brought it; nothing has been saved
    ASKED = "ASKED", "Waits for a second person"  # its new words hold; other meanings do not yet
    DONE = "DONE", "Saved"  # all of it that could be taken holds
    REFUSED = "REFUSED", "Refused"  # the second person said no: other meanings stay as they were
    WITHDRAWN = "WITHDRAWN", "Taken back"  # by who asked, before anybody answered: the same


MAPPING_FILE_MOVES: Moves = {
    BORN: (MappingFileState.PREPARED,),
    MappingFileState.PREPARED: (MappingFileState.ASKED, MappingFileState.DONE),
    MappingFileState.ASKED: (
        MappingFileState.DONE,
        MappingFileState.REFUSED,
        MappingFileState.WITHDRAWN,
    ),
    MappingFileState.DONE: (),
    MappingFileState.REFUSED: (),
    MappingFileState.WITHDRAWN: (),
}


class MappingPlanState(TextChoices):
    ASKED = "ASKED", "Waits for a second person"  # another meaning: not planned before they agree
    PLANNED = "PLANNED", "Planned"  # it waits for its moment
    DUE = "DUE", "Starting"  # its moment has come
    STARTED = "STARTED", "Started"  # the word has had this meaning since
    WITHDRAWN = "WITHDRAWN", "Withdrawn"  # a person took it back before its moment
    REFUSED = "REFUSED", "Refused"  # the second person said no
    OVERTAKEN = "OVERTAKEN", "Overtaken"  # a first meaning, but the word had got another by then


MAPPING_PLAN_MOVES: Moves = {
    BORN: (MappingPlanState.ASKED, MappingPlanState.PLANNED),
    MappingPlanState.ASKED: (
        MappingPlanState.PLANNED,
        MappingPlanState.REFUSED,
        MappingPlanState.WITHDRAWN,
    ),
    MappingPlanState.PLANNED: (MappingPlanState.DUE, MappingPlanState.WITHDRAWN),
    MappingPlanState.DUE: (MappingPlanState.STARTED, MappingPlanState.OVERTAKEN),
    MappingPlanState.STARTED: (),
    MappingPlanState.WITHDRAWN: (),
    MappingPlanState.REFUSED: (),
    MappingPlanState.OVERTAKEN: (),
}
