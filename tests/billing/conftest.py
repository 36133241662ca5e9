"""A hospital that can be paid: both platforms, our own server for their notices, and both books."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide

from app.billing.channels import close_channels
from app.billing.charges import expire_bills
from app.billing.notice_routes import router as notice_router
from app.billing.payments import start_attempt, submit_attempt
from app.billing.queries import AttemptView, BillView, Books, attempt_view, bill_view, books
from app.billing.refund_submission import submit_refund
from app.billing.refunds import SUBMIT_REFUND
from app.billing.resolving import sweep_attempts
from app.billing.routes import router as ledger_router
from app.billing.tables import PayMethod
from app.identity.signed_in import current_actor, enforce_policy
from app.kernel.actor import system
from app.kernel.clock import move_clock
from app.kernel.database import action, fetch
from app.kernel.http import BODY_BYTES_MAX, EXCEPTION_HANDLERS, request_command
from app.kernel.jobs import due_jobs, run_job
from app.kernel.settings import settings
from mini_program_api.bills import router as bills_router
from mini_program_api.payments import router as payments_router
from simulators.clock import wall
from simulators.serving import serving
from tests.make import billing as make
from tests.make.rows import value
from tests.simulated import Platforms, platforms_running

TEST = system("test")
Recorded = tuple[dict[str, str], bytes]
SIMULATOR = {"wechat": "wechat_pay", "alipay": "alipay"}
WAIT_SECONDS_MAX = 8.0


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Platforms]:
    """Books of the module's own, as its database is."""
    with platforms_running(tmp_path_factory.mktemp("platforms")) as running:
        yield running


class PayingHospital:
    """What the tests do and look at. Every wait is bounded."""

    def __init__(self, platforms: Platforms, url: str) -> None:
        self.platforms = platforms
        self.url = url

    async def payer(self, platform: str = "wechat", **values: Any) -> make.Payer:
        created = await self.platforms.call(SIMULATOR[platform], "POST", "/payers", **values)
        return await make.payer(created["id"], platform=platform)

    async def start(
        self, payer: make.Payer, bill_id: UUID, method: PayMethod = PayMethod.WECHAT_JSAPI
    ) -> AttemptView:
        """What the phone does first: open an attempt and order at the channel."""
        attempt_id = await start_attempt(payer.actor, bill_id=bill_id, method=method)
        await submit_attempt(payer.actor, attempt_id=attempt_id)
        return await attempt_view(payer.actor, attempt_id=attempt_id)

    async def tap(self, payer: make.Payer, attempt: AttemptView) -> dict[str, Any]:
        """The payer confirms in the wallet."""
        platform = SIMULATOR[attempt.channel]
        if attempt.pay_params is not None:
            how: dict[str, Any] = {"pay_params": attempt.pay_params}
        else:
            how = {"code_url" if attempt.channel == "wechat" else "qr_code": attempt.code_url}
        return await self.platforms.call(platform, "POST", f"/payers/{payer.wallet}/payments", **how)

    async def pay(
        self, payer: make.Payer, bill_id: UUID, method: PayMethod = PayMethod.WECHAT_JSAPI
    ) -> AttemptView:
        """All of it: order, tap, and the notice that books it."""
        attempt = await self.start(payer, bill_id, method)
        await self.tap(payer, attempt)
        return await self.until(attempt.id, "succeeded")

    async def fault(self, channel: str, name: str, **where: Any) -> None:
        await self.platforms.call(SIMULATOR[channel], "POST", "/faults", name=name, **where)

    async def clear_faults(self) -> None:
        for platform in SIMULATOR.values():
            await self.platforms.answer(platform, "DELETE", "/faults")

    async def until(self, attempt_id: UUID, *statuses: str) -> AttemptView:
        attempt = await attempt_view(TEST, attempt_id=attempt_id)
        for _ in range(int(WAIT_SECONDS_MAX / 0.05)):
            if attempt.status in statuses:
                return attempt
            await asyncio.sleep(0.05)
            attempt = await attempt_view(TEST, attempt_id=attempt_id)
        raise AssertionError(f"still {attempt.status}, not {statuses}")

    async def bill(self, bill_id: UUID) -> BillView:
        return await bill_view(TEST, bill_id=bill_id)

    async def sweep(self) -> None:
        """Look at every live attempt now, as the worker would within seconds to minutes."""
        await _hurry(TEST)
        await sweep_attempts()
        await expire_bills()

    async def run_jobs(self, *, turns: int = 1) -> None:
        """Run the refund jobs that are due, whatever their next time would be."""
        for _ in range(turns):
            await _hurry_jobs(TEST)
            for job_id in await due_jobs(TEST):
                await run_job(job_id, {SUBMIT_REFUND: submit_refund})

    async def replay(self, channel: str, notice: Recorded, *, times: int) -> list[int]:
        """Send a recorded notice again, so many times at once; the statuses it got."""
        headers, body = notice
        async with httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False) as sender:
            path = f"/pay/notify/{channel}"
            replies = await asyncio.gather(
                *(sender.post(path, content=body, headers=headers) for _ in range(times))
            )
        return [reply.status_code for reply in replies]

    async def finish_refunds(self) -> None:
        """Until no refund is under way any more."""
        for _ in range(60):
            await self.run_jobs()
            if await value("SELECT count(*) FROM job WHERE status IN ('due', 'running')") == 0:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("refunds are still under way")

    async def forward(self, **by: float) -> None:
        """Move business time, ours and the platforms'."""
        target = wall() + self.platforms.offset + timedelta(**by)
        self.platforms.offset = await move_clock(TEST, to=target)

    async def books(self) -> Books:
        return await books(TEST)

    async def assert_books_agree(self) -> None:
        """Our ledger balances, and each channel's own book says the same to the fen."""
        ours = await self.books()
        assert ours.balanced
        nets = {channel.channel: channel.net_fen for channel in ours.channels}
        for channel, platform in SIMULATOR.items():
            theirs = await self.platforms.call(platform, "GET", "/book")
            assert theirs["balanced"]
            assert nets.get(channel, 0) == theirs["merchant"]["net_fen"], channel

    async def order_at(self, attempt_id: UUID) -> dict[str, Any]:
        """The order as the platform's own records show it."""
        channel = await value("SELECT channel FROM attempt WHERE id = $1", attempt_id)
        return await self.platforms.call(SIMULATOR[channel], "GET", f"/orders/{attempt_id.hex}")

    async def orders_at(self, attempt_id: UUID) -> int:
        channel = await value("SELECT channel FROM attempt WHERE id = $1", attempt_id)
        reply = await self.platforms.answer(SIMULATOR[channel], "GET", f"/orders/{attempt_id.hex}")
        return 1 if reply.status_code == 200 else 0


@action
async def _hurry(actor: Any) -> None:
    await fetch("UPDATE attempt SET look_at = now() WHERE look_at > now() AND status <> 'created'")


@action
async def _hurry_jobs(actor: Any) -> None:
    await fetch("UPDATE job SET run_at = now() WHERE status = 'due'")


def money_app() -> Litestar:
    """The rooms of the app that money passes through, put together as the whole app does."""
    return Litestar(
        route_handlers=[notice_router, ledger_router, bills_router, payments_router],
        guards=[enforce_policy],
        exception_handlers=EXCEPTION_HANDLERS,
        dependencies={"actor": Provide(current_actor), "asked": Provide(request_command)},
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        openapi_config=None,
    )


@pytest.fixture
async def hospital(db: str, platforms: Platforms) -> AsyncIterator[PayingHospital]:
    """Our real app on a loopback port, where the platforms' notices arrive."""
    folder = str(platforms.folder)
    async with serving((money_app(), 0)) as [url]:
        os.environ.update(JIUYI_SIMULATORS=folder, JIUYI_PUBLIC_URL=url)
        settings.cache_clear()
        house = PayingHospital(platforms, url)
        yield house
        await house.clear_faults()
        await close_channels()
        os.environ.pop("JIUYI_PUBLIC_URL")
        os.environ.pop("JIUYI_SIMULATORS")
        settings.cache_clear()
