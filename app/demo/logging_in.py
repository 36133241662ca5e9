"""Staff log in with password and one-time code. Each code opens once, so sessions are kept for a while."""

import asyncio
import time
from typing import Any

import httpx

from app.demo.callers import Caller, Refused
from app.identity.totp import STEP_SECONDS, STEPS_ASIDE, code_of, step_at
from app.kernel import clock

KEPT_SECONDS = 5 * 60  # well within a token's life


class StaffSessions:
    """Who has logged in lately, by login name, and until when the session is used again."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[float, str]] = {}

    async def caller(self, http: httpx.AsyncClient, prefix: str, login: dict[str, Any]) -> Caller:
        caller = Caller(http, prefix)
        until, authorization = self.kept.get(login["login_name"], (0.0, ""))
        if time.monotonic() >= until:
            await _log_in(caller, login)
            authorization = caller.headers["Authorization"]
            self.kept[login["login_name"]] = (time.monotonic() + KEPT_SECONDS, authorization)
        caller.headers["Authorization"] = authorization
        return caller


async def _log_in(caller: Caller, login: dict[str, Any]) -> None:
    """With the oldest code that is still good, so that a day right after another finds unused ones."""
    proof = {"login_name": login["login_name"], "password": login["password"]}
    for last_round in (False, True):
        now = step_at(clock.wall())
        for step in range(now - STEPS_ASIDE, now + STEPS_ASIDE + 1):
            try:
                await caller.redeem("/login", {**proof, "otp": code_of(login["totp_seed"], step)})
            except Refused as refused:
                if refused.code != "login_refused" or (last_round and step == now + STEPS_ASIDE):
                    raise
            else:
                return
        await asyncio.sleep(STEP_SECONDS - clock.wall().timestamp() % STEP_SECONDS)
