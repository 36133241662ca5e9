"""Whatever a hospital does and in whatever order, the bureau's book, states and accumulations agree."""

import contextlib
import itertools
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from simulators import book
from simulators.insurance_bureau import enrolling, server
from simulators.insurance_bureau.benefits import FUNDS, Care
from simulators.insurance_bureau.calls import Call
from simulators.insurance_bureau.clearing import close_day
from simulators.insurance_bureau.enrolling import NewPerson
from simulators.insurance_bureau.envelope import DECODER
from simulators.insurance_bureau.exchanges import carried_out, find, told
from simulators.insurance_bureau.platform import account, hospital
from simulators.insurance_bureau.records import owed
from simulators.insurance_bureau.refusals import Refusal
from simulators.insurance_bureau.standing import year_use
from simulators.insurance_bureau.transactions import TRANSACTIONS
from tests.simulators.raw_bureau_money import DIAGNOSIS

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
PEOPLE, BATCHES = st.integers(0, 1), st.integers(1, 3)
PRICES = st.sampled_from(["0.05", "12.34", "800", "9000", "60000"])
CODES = st.sampled_from(["XDEMO0001", "XDEMO0012", "FDEMO0005", "FDEMO0009"])
ACCOUNT_FEN = 2_000_000
MONEY = ("2207", "2208")


async def no_clock() -> datetime:
    raise AssertionError("the rules hand the time in")


class Moves(RuleBasedStateMachine):
    keys_folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.keys_folder, self.folder / "keys")
        self.platform = server.opened(self.folder, no_clock)
        self.store, self.now, self.numbers = self.platform.store, START, itertools.count(1)
        self.people = [
            enrolling.enrol(self.platform, NewPerson("甲", insutype=kind, account_fen=ACCOUNT_FEN), START)
            for kind in ("310", "390")
        ]
        # The model: what is settled and stands, newest last, and by which message.
        self.standing: list[dict[str, Any]] = []
        self.cleared: set[str] = set()
        self.batches = [1, 1]
        self.last: list[str] = []
        self.visits = [self.visit_of(person) for person in self.people]

    def visit_of(self, person: enrolling.Person) -> str:
        number = next(self.numbers)
        asked = {
            "psn_no": person.psn_no,
            "insutype": person.insutype,
            "begntime": "2026-11-23 16:00:00",
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": person.certno,
            "ipt_otp_no": f"OTP{number}",
            "atddr_no": "D1",
            "dr_name": "医师",
            "dept_code": "01",
            "dept_name": "内科",
            "caty": "A03",
        }
        output = self.call("2201", {"data": asked})
        assert output is not None
        named = {"mdtrt_id": output["data"]["mdtrt_id"], "psn_no": person.psn_no}
        visit = {**named, "med_type": "11", "begntime": asked["begntime"]}
        assert self.call("2203", {"mdtrtinfo": visit, "diseinfo": [DIAGNOSIS]}) is not None
        return named["mdtrt_id"]

    def call(self, infno: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """The output, or None for a refusal."""
        msgid = f"{self.platform.identity.fixmedins_code}{self.now:%Y%m%d%H%M%S}{next(self.numbers):04d}"
        with contextlib.suppress(Refusal):
            output = carried_out(
                self.platform, TRANSACTIONS[infno], Call(infno, msgid, {}, content, self.now)
            )
            self.last.append(msgid)
            return dict(output)
        return None

    def settling(self, who: int, batch: str, uses: str) -> dict[str, Any]:
        person = self.people[who]
        total = self.store.value(
            "select coalesce(sum(amount_fen), 0) from fee where mdtrt_id = :id and chrg_bchno = :batch",
            id=self.visits[who],
            batch=batch,
        )
        asked = {
            "psn_no": person.psn_no,
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": person.certno,
            "med_type": "11",
            "medfee_sumamt": f"{Decimal(total).scaleb(-2)}",
            "psn_setlway": "01",
            "mdtrt_id": self.visits[who],
            "chrg_bchno": batch,
            "insutype": person.insutype,
            "acct_used_flag": uses,
        }
        return {"data": asked}

    @rule(who=PEOPLE, code=CODES, price=PRICES, cnt=st.integers(1, 3))
    def upload(self, who: int, code: str, price: str, cnt: int) -> None:
        line = {
            "feedetl_sn": f"F{next(self.numbers)}",
            "mdtrt_id": self.visits[who],
            "psn_no": self.people[who].psn_no,
            "chrg_bchno": f"B{self.batches[who]}",
            "rx_circ_flag": "0",
            "fee_ocur_time": "2026-11-23 16:00:00",
            "med_list_codg": code,
            "medins_list_codg": code,
            "det_item_fee_sumamt": str(Decimal(price) * cnt),
            "cnt": cnt,
            "pric": price,
            "bilg_dept_codg": "01",
            "bilg_dept_name": "内科",
            "bilg_dr_codg": "D1",
            "bilg_dr_name": "医师",
        }
        self.call("2204", {"feedetail": [line]})

    @rule(who=PEOPLE, batch=st.none() | BATCHES)
    def take_back(self, who: int, batch: int | None) -> None:
        number = "0000" if batch is None else f"B{batch}"
        asked = {"mdtrt_id": self.visits[who], "psn_no": self.people[who].psn_no, "chrg_bchno": number}
        self.call("2205", {"data": asked})

    @rule(who=PEOPLE, code=CODES, price=PRICES, uses=st.sampled_from(["0", "1", "1"]))
    def treat_and_settle(self, who: int, code: str, price: str, uses: str) -> None:
        """The usual visit; the next fees come in a batch of their own."""
        self.upload(who, code, price, 1)
        standing = len(self.standing)
        self.settle(who, self.batches[who], uses)
        assert len(self.standing) == standing + 1

    @rule(who=PEOPLE, batch=BATCHES, uses=st.sampled_from(["0", "1"]))
    def settle(self, who: int, batch: int, uses: str) -> None:
        """A pre-settlement changes nothing and promises what the settlement keeps."""
        asked = self.settling(who, f"B{batch}", uses)
        before = self.store.value("select count(*) from entry")
        first, second = self.call("2206", asked), self.call("2206", asked)
        assert first == second
        assert self.store.value("select count(*) from entry") == before
        output = self.call("2207", asked)
        assert (output is None) == (first is None)
        if output is None or first is None:
            return
        settled = output["setlinfo"]
        assert first["setlinfo"].items() <= settled.items()
        self.standing.append(settled)
        self.batches[who] = max(self.batches[who], batch + 1)

    @rule(pick=st.integers(0, 9), newest=st.sampled_from([True, True, False]))
    def reverse(self, pick: int, newest: bool) -> None:
        """Only the person's newest standing settlement may go, and only while it is not cleared."""
        if not self.standing:
            return
        chosen = self.standing[-1 if newest else pick % len(self.standing)]
        asked = {name: chosen[name] for name in ("setl_id", "mdtrt_id", "psn_no")}
        output = self.call("2208", {"data": asked})
        assert (output is not None) == self.may_go(chosen)
        if output is not None:
            for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay"):
                assert output["setlinfo"][name] == -chosen[name]
            self.standing.remove(chosen)

    @rule()
    def correct_the_last(self) -> None:
        """2601: the newest settlement or reversal of all is as if it had never been."""
        kept = next(
            (k for m in reversed(self.last) if (k := find(self.platform, m)) and k.infno in MONEY), None
        )
        if kept is None or kept.state != "done":
            return
        setl_id = told(kept).output["setlinfo"]["setl_id"]
        original = self.store.value("select reverses from settlement where setl_id = :id", id=setl_id)
        asked = {"psn_no": kept.psn_no, "omsgid": kept.msgid, "oinfno": kept.infno}
        if self.call("2601", {"data": asked}) is not None:
            self.forget(setl_id, original)

    @rule(who=PEOPLE, code=CODES, price=PRICES, days=st.sampled_from([0, 60]))
    def settle_twice_and_reverse(self, who: int, code: str, price: str, days: int) -> None:
        """The older one first, which is refused; then in the right order, perhaps in another year."""
        for _turn in range(2):
            self.treat_and_settle(who, code, price, "1")
        self.time_passes(days)
        self.reverse(-2, newest=False)
        self.reverse(-1, newest=False)
        self.reverse(-1, newest=False)

    @rule()
    def reverse_and_correct(self) -> None:
        """The newest settlement stands again once its reversal is taken back."""
        standing = list(self.standing)
        self.reverse(0, newest=True)
        if len(self.standing) < len(standing):
            self.correct_the_last()
            assert [row["setl_id"] for row in self.standing] == [row["setl_id"] for row in standing]

    def forget(self, setl_id: str, original: str | None) -> None:
        if original is None:
            self.standing = [row for row in self.standing if row["setl_id"] != setl_id]
        else:
            text = self.store.value("select setlinfo from settlement where setl_id = :id", id=original)
            self.standing.append(DECODER.decode(text))

    @rule(days=st.sampled_from([0, 1, 60]))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=1)

    @rule()
    def the_day_is_closed(self) -> None:
        day = self.now.date()
        close_day(self.platform, day)
        self.cleared |= {
            str(row["setl_id"])
            for row in self.store.rows("select setl_id from claim where cleared_by is not null")
        }

    def may_go(self, chosen: dict[str, Any]) -> bool:
        own = [row for row in self.standing if row["psn_no"] == chosen["psn_no"]]
        newest = max(own, key=lambda row: self.seq(row["setl_id"]))
        return chosen["setl_id"] == newest["setl_id"] and chosen["setl_id"] not in self.cleared

    def seq(self, setl_id: str) -> int:
        return self.store.value("select seq from settlement where setl_id = :id", id=setl_id)

    @invariant()
    def the_book_is_balanced(self) -> None:
        assert book.is_balanced(self.store)
        funds = sum((row["fund_pay_sumamt"] for row in self.standing), Decimal(0))
        accounts = sum((row["acct_pay"] for row in self.standing), Decimal(0))
        told_owed = owed(self.platform)
        assert told_owed["funds"]["net_fen"] == funds * 100
        assert told_owed["accounts"]["net_fen"] == accounts * 100
        held = book.balance_fen(self.store, hospital(self.platform.identity.fixmedins_code))
        assert held == (funds + accounts) * 100

    @invariant()
    def accounts_hold_what_is_left(self) -> None:
        spent: Counter[str] = Counter()
        for row in self.standing:
            spent[row["psn_no"]] += int(row["acct_pay"] * 100)
        for person in self.people:
            held = book.balance_fen(self.store, account(person.psn_no))
            assert held == ACCOUNT_FEN - spent[person.psn_no]

    @invariant()
    def what_was_used_is_what_stands(self) -> None:
        """A reversal gives back to the year of its settlement, whenever it comes."""
        for person in self.people:
            rows = [row for row in self.standing if row["psn_no"] == person.psn_no]
            used = [year_use(self.store, person.psn_no, year, Care.OUTPATIENT) for year in range(2026, 2060)]
            assert min(use.pool_fen for use in used) >= 0
            assert min(use.deductible_fen for use in used) >= 0
            assert sum(use.deductible_fen for use in used) == sum(r["act_pay_dedc"] for r in rows) * 100
            assert sum(use.pool_fen for use in used) == sum(r["hifp_pay"] for r in rows) * 100

    @invariant()
    def fees_are_tied_to_what_stands(self) -> None:
        tied = {
            row["setl_id"]: row["fen"]
            for row in self.store.rows(
                "select setl_id, sum(amount_fen) as fen from fee where setl_id is not null group by setl_id"
            )
        }
        assert tied == {row["setl_id"]: row["medfee_sumamt"] * 100 for row in self.standing}

    @invariant()
    def every_settlement_adds_up(self) -> None:
        for row in self.standing:
            assert row["fund_pay_sumamt"] == sum(row[name] for name in FUNDS)
            parts = row["fund_pay_sumamt"] + row["acct_pay"] + row["acct_mulaid_pay"] + row["psn_cash_pay"]
            assert row["medfee_sumamt"] == parts + row["hosp_part_amt"]

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


def test_the_bureau_stays_in_balance(keys_folder: Path) -> None:
    Moves.keys_folder = keys_folder
    run_state_machine_as_test(
        Moves,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
