"""What requests about one's own data tell the house: ids, and never what was asked or answered."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="data_request.received", aggregate="data_request", key="data_request_id")
class RequestReceived(msgspec.Struct, frozen=True, kw_only=True):
    data_request_id: UUID
    person_id: UUID


@fact(kind="data_request.answered", aggregate="data_request", key="data_request_id")
class RequestAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """`forget_messages`: what inboxes say about the person is to go, too."""

    data_request_id: UUID
    person_id: UUID
    account_id: UUID | None
    forget_messages: bool


@fact(kind="data_request.withdrawn", aggregate="data_request", key="data_request_id")
class RequestWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    data_request_id: UUID
    person_id: UUID


@fact(kind="data_request.overdue", aggregate="data_request", key="data_request_id")
class RequestOverdue(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody has answered on the last day."""

    data_request_id: UUID


@fact(kind="data_export.taken", aggregate="data_export", key="data_export_id")
class ExportAsked(msgspec.Struct, frozen=True, kw_only=True):
    data_export_id: UUID
    person_id: UUID
    account_id: UUID
