"""Taking back a message whose outcome the hospital does not know (2601).

The national text names what may be reversed: 2207, 2208, 2304, 2305 and 2401. Whatever had become of the
message, afterwards it has no effect and never will: one that has not arrived is refused when it comes.
"""

from collections.abc import Mapping

from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.envelope import MSGID
from simulators.insurance_bureau.exchanges import Kept, find, told
from simulators.insurance_bureau.fields import Field, node
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import OK, ill_formed, refused
from simulators.store import stored

FIELDS = (
    Field("psn_no", "人员编号", 30),
    MSGID._replace(name="omsgid", label="原发送方报文ID"),
    Field("oinfno", "原交易编号", 4),
)


def reversal(transactions: Mapping[str, Transaction]) -> Transaction:
    """2601 over these transactions: those that can be undone can be reversed."""

    def reverse(platform: Bureau, call: Call) -> Output:
        asked = node(call.input, "data", FIELDS)
        transaction = transactions.get(asked["oinfno"])
        if transaction is None or transaction.undo is None:
            raise refused("oinfno：该交易不支持冲正")
        ours = asked["omsgid"].startswith(platform.identity.fixmedins_code) and len(asked["omsgid"]) == 30
        if not ours or asked["omsgid"] == call.msgid:
            raise ill_formed("omsgid", "不是本机构先前的报文ID")
        kept = find(platform, asked["omsgid"])
        if kept is None:
            _forestall(platform, call, asked)
            return {}
        _check_same(kept, asked)
        if kept.state == "done":
            transaction.undo(platform, told(kept), call.now)
            platform.store.run(
                "update exchange set state = 'reversed' where msgid = :msgid", msgid=kept.msgid
            )
        return {}

    return Transaction("冲正交易", reverse)


def _forestall(platform: Bureau, call: Call, asked: Mapping[str, str]) -> None:
    """The message never came; should it come late, it must not act."""
    platform.store.run(
        """insert into exchange (msgid, infno, psn_no, at, state, infcode, input, output)
           values (:omsgid, :oinfno, :psn_no, :at, 'reversed', :ok, '{}', '{}')""",
        at=stored(call.now),
        ok=OK,
        **asked,
    )


def _check_same(kept: Kept, asked: Mapping[str, str]) -> None:
    if kept.infno != asked["oinfno"]:
        raise refused("oinfno：与原报文的交易编号不符")
    if kept.psn_no != asked["psn_no"]:
        raise refused("psn_no：与原报文的人员编号不符")
