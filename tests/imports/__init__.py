"""Exports of other products, written for these tests in the form in which those write them."""

from pathlib import Path
from typing import Any

from apps.core.yaml_values import load_yaml
from apps.engine.json_values import loads

HERE = Path(__file__).parent
PLACE = "https://service.example"
N8N = sorted(path.stem for path in (HERE / "n8n").glob("*.json"))
DIFY = sorted(path.stem for path in (HERE / "dify").glob("*.yml"))


def export_of(name: str, *, at: str = PLACE) -> Any:
    """An export, with the address of the service that its requests go to."""
    path = next(path for path in HERE.glob(f"*/{name}*") if path.suffix in (".json", ".yml"))
    raw = path.read_text().replace(PLACE, at).encode()
    return loads(raw, max_bytes=5_000_000) if path.suffix == ".json" else load_yaml(raw)
