"""Every message that passed the envelope, by its msgid: none acts twice, and each can be looked up."""

from typing import Any

import msgspec

from simulators.insurance_bureau.calls import Call, Exchange, Output, Transaction
from simulators.insurance_bureau.envelope import DECODER, ENCODER
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import OK, Refusal, ill_formed, repeated
from simulators.store import stored


class Kept(msgspec.Struct, frozen=True):
    msgid: str
    infno: str
    psn_no: str
    at: str
    state: str  # done, refused, reversed
    infcode: str
    input: str
    output: str


def carried_out(platform: Bureau, transaction: Transaction, call: Call) -> Output:
    """Do what the message asks, once; a message that is refused has used its msgid up too."""
    _refuse_known(platform, call.msgid)
    try:
        with platform.store.transaction():
            output = transaction.act(platform, call)
            _keep(platform, call, state="done", infcode=OK, output=output)
    except Refusal as refusal:
        _keep(platform, call, state="refused", infcode=refusal.infcode, output={})
        raise
    return output


def find(platform: Bureau, msgid: str) -> Kept | None:
    row = platform.store.row("select * from exchange where msgid = :msgid", msgid=msgid)
    return Kept(**dict(row)) if row is not None else None


def told(kept: Kept) -> Exchange:
    return Exchange(
        kept.msgid, kept.infno, kept.psn_no, DECODER.decode(kept.input), DECODER.decode(kept.output)
    )


def person_of(call: Call) -> str:
    """The psn_no that the input names in any node; empty where it names none, refused where several."""
    named = {row.get("psn_no") for content in call.input.values() for row in _rows(content)}
    found = {str(value) for value in named if value}
    if len(found) > 1:
        raise ill_formed("psn_no", "同一报文只能有一个人员编号")
    return found.pop() if found else ""


def _rows(content: Any) -> list[dict[str, Any]]:
    listed = content if isinstance(content, list) else [content]
    return [row for row in listed if isinstance(row, dict)]


def _refuse_known(platform: Bureau, msgid: str) -> None:
    known = find(platform, msgid)
    if known is not None and known.state == "reversed":
        raise repeated("msgid：该报文已被冲正，不再受理")
    if known is not None:
        raise repeated("msgid：报文ID重复，该报文已受理过")


def _keep(platform: Bureau, call: Call, *, state: str, infcode: str, output: Output) -> None:
    platform.store.run(
        """insert into exchange (msgid, infno, psn_no, at, state, infcode, input, output)
           values (:msgid, :infno, :psn_no, :at, :state, :infcode, :input, :output)""",
        msgid=call.msgid,
        infno=call.infno,
        psn_no=person_of(call),
        at=stored(call.now),
        state=state,
        infcode=infcode,
        input=ENCODER.encode(call.input).decode(),
        output=ENCODER.encode(output).decode(),
    )
