"""`jiuyi` whose backups cost their makers no second of scrypt. Production has no switch for that.

The file is an ordinary age file with a small work factor, which the real program opens.
"""

import base64
import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.backup import envelope
from app.backup.envelope import Identity

WORK = 10  # as a power of two; a real one is 15 or more


def seal_quickly(identity: Identity, passphrase: str) -> bytes:
    """https://age-encryption.org/v1: one scrypt stanza, the header's MAC, one last chunk."""
    salt, file_key, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = hashlib.scrypt(
        passphrase.encode(), salt=b"age-encryption.org/v1/scrypt" + salt, n=1 << WORK, r=8, p=1, dklen=32
    )
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = f"age-encryption.org/v1\n-> scrypt {_base64(salt)} {WORK}\n{_base64(wrapped)}\n---".encode()
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, hashlib.sha256)
    last = bytes(11) + b"\x01"
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(
        last, f"{identity}\n".encode(), None
    )
    return header + f" {_base64(mac)}\n".encode() + nonce + payload


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def main() -> None:
    envelope.seal_identity = seal_quickly  # before anything imports it from there
    from app.cli import main as jiuyi

    jiuyi()


if __name__ == "__main__":
    main()
