"""The platform's signing keys over time: a new one comes, both are good for a while, the old one goes.

Certificates live five years. The platform's page on replacing them: ten days before the end the new
one is listed beside the old, five days before it begins to sign, and at the end the old one is gone.
A public key lives as long as the merchant likes; replacing it works the same way, but there the client
says with `Wechatpay-Serial` which one it knows. Moments are business time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators import keys
from simulators.store import stored

ALWAYS = ""  # before every stored instant
ISSUER = "WeChat Pay simulator"
FILE = "wechat_pay_key_ring.json"


class KeptKey(msgspec.Struct, frozen=True):
    """One key pair; the files lie beside the ring."""

    id: str  # a certificate's serial number, or PUB_KEY_ID_...
    key_file: str
    public_file: str
    signs_from: str = ALWAYS
    retires_at: str | None = None

    def is_good(self, now: datetime) -> bool:
        return self.retires_at is None or stored(now) < self.retires_at


class Kept(msgspec.Struct, frozen=True):
    certificates: list[KeptKey]
    public_keys: list[KeptKey]


class KeyRing:
    """All keys the platform ever signed with; a restart changes nothing."""

    def __init__(self, folder: Path, first_public_key_id: str) -> None:
        self._folder = folder
        certified = self._certified("wechat_pay_platform_key.pem", "wechat_pay_platform_cert.pem")
        public = self._public(
            first_public_key_id, "wechat_pay_public_mode_key.pem", "wechat_pay_public_key.pem"
        )
        first = Kept([certified], [public])
        self.kept = keys.remembered(folder / FILE, first)
        self._private = {
            kept.id: keys.private_key(folder / kept.key_file)
            for kept in (*self.kept.certificates, *self.kept.public_keys)
        }

    def key(self, key_id: str) -> rsa.RSAPrivateKey:
        return self._private[key_id]

    def path(self, kept: KeptKey) -> Path:
        """Where its certificate or public key lies."""
        return self._folder / kept.public_file

    def certificate(self, kept: KeptKey) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.path(kept).read_bytes())

    def listed(self, now: datetime) -> list[KeptKey]:
        """The certificates a client may download and seal with."""
        return _good(self.kept.certificates, now)

    def knows(self, key_id: str, now: datetime) -> bool:
        """Is this one of the keys a client may name?"""
        return any(kept.id == key_id for kept in (*self.listed(now), *_good(self.kept.public_keys, now)))

    def newest(self) -> tuple[KeptKey, KeptKey | None]:
        """The public key and the certificate a client is configured with; the latter may be given up."""
        certificate = self.kept.certificates[-1]
        return self.kept.public_keys[-1], certificate if certificate.retires_at is None else None

    def public_key_id(self) -> str:
        return self.kept.public_keys[-1].id

    def certificate_serial(self, now: datetime) -> str | None:
        """The certificate that signs now; none once the merchant has given certificates up."""
        signing = [kept.id for kept in self.listed(now) if kept.signs_from <= stored(now)]
        return signing[-1] if signing else None

    def signs_for(self, known: str, now: datetime) -> str:
        """The key that signs now for a client that knew this one when it spoke to us.

        Who knew a public key hears it until it retires; who knew a certificate hears the one of today.
        """
        if any(kept.id == known for kept in _good(self.kept.public_keys, now)):
            return known
        if any(kept.id == known for kept in self.kept.certificates):
            return self.certificate_serial(now) or self.public_key_id()
        return self.public_key_id()

    def is_rotating(self, now: datetime) -> bool:
        return len(self.listed(now)) > 1 or len(_good(self.kept.public_keys, now)) > 1

    def rotate_certificate(self, now: datetime, *, signs_after: timedelta, overlap: timedelta) -> KeptKey:
        """A new certificate beside the old: listed at once, signing later, alone after the overlap."""
        made = self._certified(*self._names("platform_key", "platform_cert"))
        fresh = msgspec.structs.replace(made, signs_from=stored(now + signs_after))
        old = _retired(self.kept.certificates, now, at=now + overlap)
        self._keep(Kept([*old, fresh], self.kept.public_keys), fresh)
        return fresh

    def rotate_public_key(self, now: datetime, new_id: str, *, overlap: timedelta) -> KeptKey:
        """A new public key beside the old: good at once, alone after the overlap."""
        made = self._public(new_id, *self._names("public_mode_key", "public_key"))
        fresh = msgspec.structs.replace(made, signs_from=stored(now))
        old = _retired(self.kept.public_keys, now, at=now + overlap)
        self._keep(Kept(self.kept.certificates, [*old, fresh]), fresh)
        return fresh

    def give_up_certificates(self, now: datetime) -> None:
        """The merchant has moved to the public key for good: no certificate any more."""
        self._write(Kept(_retired(self.kept.certificates, now, at=now), self.kept.public_keys))

    def _names(self, key: str, public: str) -> tuple[str, str]:
        number = len(self.kept.certificates) + len(self.kept.public_keys)
        return f"wechat_pay_{key}_{number}.pem", f"wechat_pay_{public}_{number}.pem"

    def _certified(self, key_file: str, public_file: str) -> KeptKey:
        key = keys.private_key(self._folder / key_file)
        made = keys.certificate(self._folder / public_file, key, name=ISSUER)
        return KeptKey(keys.serial_of(made), key_file, public_file)

    def _public(self, key_id: str, key_file: str, public_file: str) -> KeptKey:
        key = keys.private_key(self._folder / key_file)
        keys.write_private(self._folder / public_file, keys.public_pem(key))
        return KeptKey(key_id, key_file, public_file)

    def _keep(self, kept: Kept, fresh: KeptKey) -> None:
        self._private[fresh.id] = keys.private_key(self._folder / fresh.key_file)
        self._write(kept)

    def _write(self, kept: Kept) -> None:
        keys.write_json(self._folder / FILE, kept)
        self.kept = kept


def _good(kept: Sequence[KeptKey], now: datetime) -> list[KeptKey]:
    return [key for key in kept if key.is_good(now)]


def _retired(kept: Sequence[KeptKey], now: datetime, *, at: datetime) -> list[KeptKey]:
    """The same keys; those still good retire at this moment."""
    return [msgspec.structs.replace(k, retires_at=stored(at)) if k.is_good(now) else k for k in kept]
