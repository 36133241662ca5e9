"""What can go wrong with a settlement itself, by name."""

from simulators.faults import Fault, Part

SETTLE_REFUSED = "settle_refused"
DIFFERS = "differs_from_presettle"
REVERSAL_REFUSED = "reversal_refused"

FAULTS = (
    Fault(SETTLE_REFUSED, Part.COURSE, "结算（2207、2304）被拒绝，预结算照常"),
    Fault(DIFFERS, Part.COURSE, "结算比预结算少报一元，差额转为个人现金"),
    Fault(REVERSAL_REFUSED, Part.COURSE, "撤销结算（2208、2305）被拒绝"),
)
