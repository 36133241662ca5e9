"""What `jiuyi import` calls: which kinds of file there are."""

from pathlib import Path
from typing import Any

from rich.console import Console

from app.imports.catalog import CATALOG
from app.imports.icd10 import ICD10
from app.imports.loading import Importer, load_file
from app.imports.schedule import SCHEDULE
from app.kernel.database import close_pool, open_pool

IMPORTERS: dict[str, Importer[Any]] = {importer.kind: importer for importer in (ICD10, CATALOG, SCHEDULE)}


async def load(kind: str, path: Path) -> None:
    console = Console()
    await open_pool(size=1)
    try:
        count = await load_file(IMPORTERS[kind], path, console=console)
    finally:
        await close_pool()
    console.print(f"已导入 {count} 行。")
