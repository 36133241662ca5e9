"""Asking for a settlement (5203): how a hospital learns what became of one it got no answer to."""

from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.envelope import DECODER, LIST_DECODER
from simulators.insurance_bureau.fields import Field, node
from simulators.insurance_bureau.persons import named
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused

QUESTION = (
    Field("psn_no", "人员编号", 30),
    Field("setl_id", "结算ID", 30, needed=False),
    Field("mdtrt_id", "就诊ID", 30, needed=False),
    Field("medins_setl_id", "医药机构结算ID", 30, needed=False),
)


def settlement(platform: Bureau, call: Call) -> Output:
    """The newest settlement that fits.

    The national text wants setl_id, which nobody has after a lost answer: mdtrt_id, or the msgid of the
    settlement (medins_setl_id), is enough here. A reversal is found by its own setl_id or msgid.
    """
    asked = node(call.input, "data", QUESTION)
    named(platform, asked["psn_no"])
    if not (asked["setl_id"] or asked["mdtrt_id"] or asked["medins_setl_id"]):
        raise ill_formed("setl_id", "结算ID、就诊ID、医药机构结算ID须有其一")
    row = platform.store.row(
        """select setlinfo, setldetail from settlement where psn_no = :psn_no
           and :setl_id in ('', setl_id) and :mdtrt_id in ('', mdtrt_id)
           and :medins_setl_id in ('', msgid)
           and (:setl_id <> '' or :medins_setl_id <> '' or (reverses is null and reversed_at is null))
           order by seq desc limit 1""",
        **asked,
    )
    if row is None:
        raise refused("setl_id：未查询到结算信息")
    return {"setlinfo": DECODER.decode(row["setlinfo"]), "setldetail": LIST_DECODER.decode(row["setldetail"])}


TRANSACTIONS = {"5203": Transaction("结算信息查询", settlement)}
