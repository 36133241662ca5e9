"""Wristbands: an opaque random token, kept as a hash to be found and encrypted to be printed again."""

import base64
import hashlib
import secrets
from uuid import UUID

from app.inpatient.stays import StayNotFound, open_stay
from app.kernel.actor import Actor
from app.kernel.crypto import decrypt, encrypt
from app.kernel.database import action, fetch_one, fetch_value, query
from app.kernel.ids import new_id

PREFIX = "JYWB:"
TOKEN_BYTES = 20


def wristband_hash(qr_text: str) -> str:
    """Scanners that type may change the case and add blanks; the token knows neither."""
    return hashlib.sha256(qr_text.strip().upper().encode()).hexdigest()


@action
async def put_on_wristband(actor: Actor, *, admission_id: UUID) -> UUID:
    """Make a stay's wristband; whatever the stay wore before opens nothing from now on."""
    await open_stay(actor, admission_id=admission_id)
    await fetch_value(
        "UPDATE wristband SET ended_at = jiuyi.now() WHERE admission_id = $1 AND ended_at IS NULL",
        admission_id,
    )
    wristband_id = new_id()
    qr_text = PREFIX + base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode()
    await fetch_value(
        "INSERT INTO wristband (id, admission_id, token_hash, qr_text, made_at)"
        " VALUES ($1, $2, $3, $4, jiuyi.now())",
        wristband_id,
        admission_id,
        wristband_hash(qr_text),
        encrypt(qr_text, context=f"wristband.qr_text.{wristband_id}"),
    )
    return wristband_id


@query
async def wristband_text(actor: Actor, *, admission_id: UUID) -> str:
    """What the printer puts into the QR. Asks nothing: routes ask who may see the stay first."""
    row = await fetch_one(
        "SELECT id, qr_text FROM wristband WHERE admission_id = $1 AND ended_at IS NULL", admission_id
    )
    if row is None:
        raise StayNotFound(admission_id=admission_id)
    return decrypt(row["qr_text"], context=f"wristband.qr_text.{row['id']}")
