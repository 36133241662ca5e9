"""The key of the seals: one, whoever asks for it first."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.traces.chain import seal_key

THREADS = 16
ROUNDS = 20


def test_many_who_need_the_first_key_at_once_get_the_same(tmp_path: Path) -> None:
    def first(folder: Path, together: Barrier) -> bytes:
        together.wait()
        return seal_key(folder).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            folder, together = tmp_path / str(number), Barrier(THREADS)
            asked = [pool.submit(first, folder, together) for _ in range(THREADS)]
            assert len({each.result() for each in asked}) == 1
            assert [path.name for path in folder.iterdir()] == ["seal_key.pem"]
