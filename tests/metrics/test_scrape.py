"""What a scraper gets, and who may scrape."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.kernel import database
from app.kernel.actor import system
from app.kernel.settings import settings
from app.main import app
from app.metrics import routes
from app.metrics.families import Family, Sample, rendered
from app.metrics.processes import ProcessKind, others, take_number, telling
from app.metrics.questions import SERIES_MAX, Answers, Question, answers

TOKEN = "a-word-that-nobody-will-ever-guess-0123"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ANSWERS", Answers())


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    def configure(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    yield configure
    monkeypatch.undo()
    settings.cache_clear()


async def scraped(peer: str = "127.0.0.1", **headers: str) -> httpx.Response:
    asgi: Any = app
    transport = httpx.ASGITransport(app=asgi, client=(peer, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://hospital.test") as client:
        return await client.get("/metrics", headers={"X-Test": "1", **headers})


def values(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_this_machine_may_scrape_and_nobody_else(db: str) -> None:
    assert (await scraped()).status_code == 200
    refused = await scraped("192.0.2.7")
    assert refused.status_code == 403
    assert refused.json()["code"] == "metrics_forbidden"


async def test_a_token_alone_opens_nothing(db: str, configured: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    configured(JIUYI_METRICS_TOKEN_FILE=str(tmp_path / "token"))
    assert (await scraped("192.0.2.7", Authorization=f"Bearer {TOKEN}")).status_code == 403


async def test_a_named_network_brings_the_token_where_one_is_set(
    db: str, configured: Any, tmp_path: Path
) -> None:
    configured(JIUYI_METRICS_NETWORKS="192.0.2.0/29")
    assert (await scraped("192.0.2.7")).status_code == 200
    assert (await scraped("192.0.2.9")).status_code == 403
    (tmp_path / "token").write_text(TOKEN)
    configured(JIUYI_METRICS_TOKEN_FILE=str(tmp_path / "token"))
    assert (await scraped("192.0.2.7")).status_code == 403
    assert (await scraped("192.0.2.7", Authorization="Bearer wrong")).status_code == 403
    assert (await scraped("192.0.2.7", Authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_a_token_that_could_be_guessed_or_is_gone_opens_nothing(
    db: str, configured: Any, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    configured(JIUYI_METRICS_NETWORKS="192.0.2.0/29", JIUYI_METRICS_TOKEN_FILE=str(file))
    assert (await scraped("192.0.2.7", Authorization="Bearer ")).status_code == 403
    file.write_text("short")
    assert (await scraped("192.0.2.7", Authorization="Bearer short")).status_code == 403


async def test_without_a_database_the_scrape_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.DB, "pool", None)
    found = values((await scraped()).text)
    assert found["jiuyi_database_up{}"] == 0
    assert not any(name.startswith("jiuyi_outbox_rows") for name in found)
    assert any(name.startswith("process_resident_memory_bytes") for name in found)


async def test_a_question_that_is_wrong_hides_no_process(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Question(name="wrong", about="", sql="SELECT nonsense AS value")
    monkeypatch.setattr("app.metrics.questions.QUESTIONS", [wrong])
    found = values((await scraped()).text)
    assert found["jiuyi_database_up{}"] == 0
    assert any(name.startswith("process_resident_memory_bytes") for name in found)


async def test_two_scrapers_at_once_cost_one_look(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    async def look(actor: Any, *, questions: list[Question]) -> list[Family]:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0.01)
        return []

    monkeypatch.setattr("app.metrics.questions.answers", look)
    asked = Answers()
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(asked.now())
    assert looked == 1


async def test_an_answer_has_a_bound(db: str) -> None:
    many = Question(
        name="many", about="", labels=("n",), sql="SELECT n, 1 AS value FROM generate_series(1, 999) n"
    )
    [found] = await answers(system("test"), questions=[many])
    assert len(found.samples) == SERIES_MAX


@pytest.mark.commits
class TestProcesses:
    """Figures of several processes in one text."""

    @pytest.fixture
    async def here(self, db: str, configured: Any, tmp_path: Path) -> Path:
        deep = tmp_path / "/".join(["a-folder-that-lies-deep"] * 6)  # longer than a socket's address may be
        configured(JIUYI_DATA=str(deep))
        return deep

    async def test_each_figure_says_whose_it_is(self, here: Path) -> None:
        async with telling(ProcessKind.WORKER) as first, telling(ProcessKind.WORKER) as second:
            assert (first, second) == ("worker-0", "worker-1")
            told = {sample.labels["process"] for f in await others("serve-0") for sample in f.samples}
            assert told == {"worker-0", "worker-1"}
            assert {s.labels["process"] for f in await others(first) for s in f.samples} == {"worker-1"}
        assert await others("serve-0") == []

    async def test_a_killed_process_leaves_a_number_that_is_used_again(self, here: Path) -> None:
        async with telling(ProcessKind.SERVE):
            pass
        (here / "metrics" / "serve-0.sock").touch()  # what kill -9 leaves
        assert await others("worker-0") == []
        async with telling(ProcessKind.SERVE) as name:
            assert name == "serve-0"
            assert await others("worker-0")

    async def test_who_lives_says_so_in_the_database(self, here: Path) -> None:
        async with telling(ProcessKind.WORKER):
            while values((await scraped()).text)["jiuyi_processes{'kind': 'worker'}"] != 1:
                routes.ANSWERS = Answers()
        routes.ANSWERS = Answers()
        assert values((await scraped()).text)["jiuyi_processes{'kind': 'worker'}"] == 0


def test_figures_of_one_name_stand_together() -> None:
    def one(process: str) -> Family:
        return Family("a_name", "gauge", "about", [Sample("a_name", {"process": process}, 1)])

    other = Family("b_name", "gauge", "about", [])
    lines = rendered([one("serve-0"), other, one("worker-0")]).decode().splitlines()
    samples = [number for number, line in enumerate(lines) if line.startswith("a_name{")]
    assert samples == [samples[0], samples[0] + 1]
    assert sum(line.startswith("# TYPE a_name") for line in lines) == 1


def test_there_is_a_last_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metrics.processes.PROCESSES_MAX", 2)
    held = [take_number(ProcessKind.SERVE, tmp_path) for _ in range(2)]
    assert [door.name for door in held] == ["serve-0", "serve-1"]
    with pytest.raises(RuntimeError):
        take_number(ProcessKind.SERVE, tmp_path)
