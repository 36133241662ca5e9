"""Visits and stays as a hospital sends them to the bureau."""

import itertools
from datetime import timedelta
from typing import Any

from tests.simulators.raw_bureau import Client, by_id_card

NUMBERS = itertools.count(1)


def hours_ago(client: Client, hours: int) -> str:
    return f"{client.now() - timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"


def registration(client: Client, person: dict[str, Any], **change: Any) -> dict[str, Any]:
    asked = {
        "psn_no": person["psn_no"],
        "insutype": person["insutype"],
        "begntime": hours_ago(client, 1),
        **by_id_card(person),
        "ipt_otp_no": f"V{next(NUMBERS):06d}",
        "atddr_no": "D1",
        "dr_name": "医师",
        "dept_code": "A03",
        "dept_name": "内科",
        "caty": "A03",
    }
    return {"data": {**asked, **change}}


def diagnosis(client: Client, **change: Any) -> dict[str, Any]:
    made = {
        "diag_type": "1",
        "maindiag_flag": "1",
        "diag_srt_no": 1,
        "diag_code": "J18.900",
        "diag_name": "肺炎",
        "diag_dept": "内科",
        "dise_dor_no": "D1",
        "dise_dor_name": "医师",
        "diag_time": hours_ago(client, 1),
    }
    return {**made, **change}


def admission(client: Client, person: dict[str, Any], **change: Any) -> dict[str, Any]:
    asked = {
        "psn_no": person["psn_no"],
        "insutype": person["insutype"],
        **by_id_card(person),
        "ipt_no": f"S{next(NUMBERS):06d}",
        **_stay(client),
    }
    return {"mdtrtinfo": {**asked, **change}, "diseinfo": [diagnosis(client)]}


def changed_stay(client: Client, psn_no: str, mdtrt_id: str, number: str, **change: Any) -> dict[str, Any]:
    asked = {
        "mdtrt_id": mdtrt_id,
        "psn_no": psn_no,
        "mdtrt_cert_type": "02",
        "ipt_otp_no": number,
        **_stay(client),
    }
    return {"adminfo": {**asked, **change}, "diseinfo": [diagnosis(client)]}


def discharge(client: Client, person: dict[str, Any], mdtrt_id: str, **change: Any) -> dict[str, Any]:
    asked = {
        "mdtrt_id": mdtrt_id,
        "psn_no": person["psn_no"],
        "insutype": person["insutype"],
        "endtime": hours_ago(client, 0),
        "dscg_dept_codg": "A03",
        "dscg_dept_name": "内科",
        "dscg_way": "1",
    }
    return {"dscginfo": {**asked, **change}, "diseinfo": [diagnosis(client)]}


def named(psn_no: str, mdtrt_id: str, **change: Any) -> dict[str, Any]:
    return {"data": {"psn_no": psn_no, "mdtrt_id": mdtrt_id, **change}}


def reversal(psn_no: str, omsgid: str, oinfno: str) -> dict[str, Any]:
    return {"data": {"psn_no": psn_no, "omsgid": omsgid, "oinfno": oinfno}}


def visits_of(client: Client, psn_no: str) -> list[dict[str, Any]]:
    span = {"begntime": hours_ago(client, 48), "endtime": hours_ago(client, -1)}
    return client.output("5201", {"data": {"psn_no": psn_no, **span}})["mdtrtinfo"]


def _stay(client: Client) -> dict[str, Any]:
    return {
        "begntime": hours_ago(client, 24),
        "med_type": "21",
        "atddr_no": "D1",
        "chfpdr_name": "医师",
        "adm_diag_dscr": "肺炎",
        "adm_dept_codg": "A03",
        "adm_dept_name": "内科",
        "adm_bed": "12",
        "dscg_maindiag_code": "J18.900",
        "dscg_maindiag_name": "肺炎",
    }
