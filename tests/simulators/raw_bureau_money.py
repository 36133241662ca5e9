"""A hospital's cashier at the bureau: registers, uploads, settles, reverses, over the wire."""

import itertools
from decimal import Decimal
from typing import Any

from tests.simulators.conftest import Simulators
from tests.simulators.raw_bureau import BUREAU, Client, by_id_card, new_person

NUMBERS = itertools.count(1)
WHEN = "2026-11-24 08:00:00"
DEPARTMENT = {"dept_code": "A03", "dept_name": "内科", "caty": "A03"}
DIAGNOSIS = {
    "diag_type": "1",
    "diag_srt_no": 1,
    "diag_code": "J06.900",
    "diag_name": "急性上呼吸道感染",
    "diag_dept": "内科",
    "dise_dor_no": "D1",
    "dise_dor_name": "医师",
    "diag_time": WHEN,
    "vali_flag": "1",
}


def plain_client(simulators: Simulators) -> Client:
    """Signed in, and speaking plain JSON: what is tried here is not the envelope."""
    simulators.control(BUREAU, "POST", "/profile", profile="plain")
    client = Client(simulators)
    client.sealed = False
    client.sign_in()
    return client


class Cashier:
    """One person's visit and everything the cashier does with it."""

    def __init__(self, simulators: Simulators, client: Client, **person: Any) -> None:
        self.simulators, self.client = simulators, client
        self.person = new_person(simulators, **person)
        self.psn_no = self.person["psn_no"]
        self.mdtrt_id = self.register()

    def register(self, *, informs: bool = True) -> str:
        asked = {
            "psn_no": self.psn_no,
            "insutype": self.person["insutype"],
            "begntime": WHEN,
            **by_id_card(self.person),
            "ipt_otp_no": f"O{next(NUMBERS):08d}",
            "atddr_no": "D1",
            "dr_name": "医师",
            **DEPARTMENT,
        }
        mdtrt_id = self.client.output("2201", {"data": asked})["data"]["mdtrt_id"]
        if informs:
            self.inform(mdtrt_id)
        return mdtrt_id

    def inform(self, mdtrt_id: str) -> None:
        """2203: the kind of care and why."""
        visit = {"mdtrt_id": mdtrt_id, "psn_no": self.psn_no, "med_type": "11", "begntime": WHEN}
        self.client.output(
            "2203",
            {"mdtrtinfo": visit, "diseinfo": [{"mdtrt_id": mdtrt_id, "psn_no": self.psn_no, **DIAGNOSIS}]},
        )

    def line(
        self, code: str, price: str, cnt: int | str = 1, batch: str = "B1", **change: Any
    ) -> dict[str, Any]:
        line = {
            "feedetl_sn": f"F{next(NUMBERS)}",
            "mdtrt_id": self.mdtrt_id,
            "psn_no": self.psn_no,
            "chrg_bchno": batch,
            "rx_circ_flag": "0",
            "fee_ocur_time": WHEN,
            "med_list_codg": code,
            "medins_list_codg": f"H-{code}",
            "det_item_fee_sumamt": float(round(Decimal(price) * Decimal(cnt), 2)),
            "cnt": cnt,
            "pric": price,
            "bilg_dept_codg": "A03",
            "bilg_dept_name": "内科",
            "bilg_dr_codg": "D1",
            "bilg_dr_name": "医师",
        }
        return {**line, **change}

    def upload(self, *lines: dict[str, Any]) -> list[dict[str, Any]]:
        return self.client.output("2204", {"feedetail": list(lines)})["result"]

    def asked(self, total: str, batch: str = "B1", **change: Any) -> dict[str, Any]:
        asked = {
            "psn_no": self.psn_no,
            **by_id_card(self.person),
            "med_type": "11",
            "medfee_sumamt": total,
            "psn_setlway": "01",
            "mdtrt_id": self.mdtrt_id,
            "chrg_bchno": batch,
            "insutype": self.person["insutype"],
            "acct_used_flag": "1",
        }
        return {"data": {**asked, **change}}

    def presettle(self, total: str, batch: str = "B1", **change: Any) -> dict[str, Any]:
        return self.client.output("2206", self.asked(total, batch, **change))["setlinfo"]

    def settle(self, total: str, batch: str = "B1", **change: Any) -> dict[str, Any]:
        return self.client.output("2207", self.asked(total, batch, **change))["setlinfo"]

    def treat(self, price: str, batch: str = "B1", code: str = "XDEMO0001") -> dict[str, Any]:
        """One line of class A, uploaded and settled."""
        self.upload(self.line(code, price, batch=batch))
        return self.settle(price, batch)

    def reversal(self, settled: dict[str, Any], **change: Any) -> dict[str, Any]:
        asked = {"setl_id": settled["setl_id"], "mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no}
        return {"data": {**asked, **change}}

    def reverse(self, settled: dict[str, Any]) -> dict[str, Any]:
        return self.client.output("2208", self.reversal(settled))["setlinfo"]

    def refusal(self, infno: str, content: Any) -> str:
        """The err_msg of a call that must be refused."""
        told = self.client.call(infno, content)
        assert told["infcode"] != "0", told
        return told["err_msg"]

    def account_fen(self) -> int:
        return self.simulators.control(BUREAU, "GET", f"/persons/{self.psn_no}")["account_fen"]

    def owed(self) -> dict[str, int]:
        """What the bureau owes by funds and by accounts, net."""
        told = self.simulators.control(BUREAU, "GET", "/book")["owed"]
        return {name: told[name]["net_fen"] for name in told}
