"""A demo hospital that already runs, asked with its own logins: walls on, and whatever data it has."""

from urllib.parse import urlsplit

import httpx
import msgspec

from app.demo.arriving import log_in
from app.demo.callers import SECONDS_MAX, Caller
from app.demo.day import Day
from app.demo.logging_in import StaffSessions
from app.kernel.settings import Settings, settings
from app.launch import environment
from app.launch.refusals import CannotStart
from bench.clients import Ask
from bench.filling import CLIENTS, DESK, PHONE, Plan
from bench.hospitals import Hospital


def running(url: str) -> Hospital:
    place = urlsplit(url)
    if place.scheme != "http" or place.port is None:
        raise CannotStart(f"只能测量本机的 http 地址（带端口），例如 http://127.0.0.1:8000：{url}")
    config = Settings(host=place.hostname or "", port=place.port)
    return Hospital(config=config, instance="", variables=environment.inherited())


async def plan_for(url: str) -> Plan:
    """One new phone and one doctor, as all clients: an ordinary demo has no more to show."""
    data = settings().data
    files = (
        data / "demo/credentials.json",
        *(data / f"simulators/{n}.json" for n in ("wechat_pay", "alipay")),
    )
    try:
        credentials, wechat, alipay = (msgspec.json.decode(file.read_bytes()) for file in files)
    except FileNotFoundError as error:
        raise CannotStart(f"没有找到演示医院的登录资料：{error.filename}") from error
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS_MAX) as http:
        day = Day(http, url, credentials, {"wechat_pay": wechat, "alipay": alipay}, StaffSessions())
        phone = await log_in(day, "wechat", await day.wechat.login_code(await day.wechat.new_payer()))
        doctor = await day.staff("doctor")
        department = (await doctor.get("/me"))["department_id"]
        rooms = await doctor.get(f"/departments/{department}/rooms")
    return Plan(
        routes={
            "my_appointments": all_clients(phone, f"{PHONE}/appointments"),
            "my_reports": all_clients(phone, f"{PHONE}/reports"),
            "room_queue": all_clients(doctor, f"{DESK}/rooms/{rooms['items'][0]['id']}/queue"),
        },
        accounts=[],
    )


def all_clients(caller: Caller, path: str) -> list[list[Ask]]:
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    return [[Ask(path=path, token=token)] for _ in range(CLIENTS)]
