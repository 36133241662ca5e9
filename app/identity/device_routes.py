"""How a device gets in: its enrolment, and its short tokens. Every request carries the key's proof."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from app.edge.addresses import client_address
from app.identity.devices import log_in_device, require_enrolled
from app.identity.enrolment import enrol_device
from app.identity.proofs import accept_once, proved_key
from app.identity.sessions import AccessToken
from app.kernel import clock
from app.kernel.actor import ANONYMOUS
from app.kernel.http import AnyRequest
from app.kernel.settings import settings


class EnrolDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str


class DeviceLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_id: UUID


class Enrolled(msgspec.Struct, frozen=True):
    device_id: UUID


class Doorstep(msgspec.Struct, frozen=True):
    """What a device may know before it has come in. Only a demo hospital hands out keys."""

    server_time: datetime
    demo: bool


@get("/oauth/device", permission="public", sync_to_thread=False)
def doorstep() -> Doorstep:
    return Doorstep(clock.wall(), settings().demo)


@post("/oauth/device/enrol", permission="public", status_code=201)
async def enrol(request: AnyRequest, data: JSONBody[EnrolDevice]) -> Enrolled:
    """Redeem an administrator's code. The proof's key becomes the device's, for good.

    The code itself works once, so the proof need not be remembered.
    """
    thumbprint, _ = await proved_key(request)
    address = client_address(request)
    return Enrolled(await enrol_device(code=data.code, thumbprint=thumbprint, address=address))


@post("/oauth/device", permission="public", status_code=200)
async def device_token(request: AnyRequest, data: JSONBody[DeviceLogin]) -> AccessToken:
    """A token of five minutes for the key that signed this request."""
    thumbprint, proof = await proved_key(request)
    # Anybody can make keys: a stranger's proof is not worth a row.
    await require_enrolled(ANONYMOUS, device_id=data.device_id, thumbprint=thumbprint)
    await accept_once(request, thumbprint=thumbprint, proof=proof)
    return await log_in_device(device_id=data.device_id, thumbprint=thumbprint)


router = Router(path="/", route_handlers=[doorstep, enrol, device_token])
