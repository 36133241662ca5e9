"""SM2 signatures by somebody else's code: the oracle for our verifier."""

import secrets

from gmssl.sm2 import CryptSM2, default_ecc_table

from app.identity.sm2 import N


class Signer:
    """A fresh key; `point` is its public half as 04, X, Y."""

    def __init__(self) -> None:
        private = secrets.randbelow(N - 2) + 1
        self._made = CryptSM2(private_key=f"{private:064x}", public_key="")
        public = self._made._kg(private, default_ecc_table["g"])  # pyright: ignore[reportPrivateUsage] - it offers no other way to a public key
        assert public is not None
        # Given to the constructor, a key that begins with 04 would lose more than that prefix.
        self._made.public_key = public
        self.point = b"\x04" + bytes.fromhex(public)

    def sign(self, message: bytes) -> tuple[int, int]:
        """(r, s)."""
        signed = self._made.sign_with_sm3(message)
        assert signed is not None
        return int(signed[:64], 16), int(signed[64:], 16)
