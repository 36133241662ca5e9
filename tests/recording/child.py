"""`jiuyi` as a test's child process, with a recorder at its doors; uvicorn's workers begin here, too."""

import os
from pathlib import Path

from tests.recording.recorder import Recorder
from tests.recording.resting import FOLDER, NAMES
from tests.recording.watching import watch


def begin() -> None:
    folder = Path(os.environ[FOLDER])
    recorder = Recorder(folder / f"{os.getpid()}.json")
    recorder.names |= set((folder / NAMES).read_text(encoding="utf-8").splitlines())
    watch(recorder)


begin()

if __name__ == "__main__":
    from app.cli import main

    main()
