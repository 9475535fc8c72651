"""Definitions and inputs from files."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core.yaml_values import load_yaml
from apps.engine.errors import InvalidError
from apps.engine.json_values import InvalidJsonError, loads

MAX_FILE_BYTES = 50 * 1024 * 1024
YAML_ENDINGS = frozenset((".yaml", ".yml"))
MAX_CELL_LENGTH = 1_000_000


class FileFaultError(InvalidError):
    """A file is missing or does not hold what it should; the message begins with its name."""

    code = "bad_file"


@dataclass(frozen=True, slots=True)
class Row:
    """One input out of a file of many.

    line   where it begins in the file, from 1; for JSON its place in the array
    key    what people call it; "" where no column was named
    """

    line: int
    input: Mapping[str, Any]
    key: str = ""


def read_document(path: Path) -> Any:
    """A JSON value out of a JSON or YAML file. Raises FileFaultError."""
    raw = _bytes(path)
    try:
        return load_yaml(raw) if path.suffix.lower() in YAML_ENDINGS else loads(raw, max_bytes=MAX_FILE_BYTES)
    except InvalidJsonError as error:
        raise FileFaultError(f"{path}: {error.message}", **error.details) from error


def read_rows(path: Path, schema: Mapping[str, Any], key: str | None) -> list[Row]:
    """The inputs in a CSV file with a header, or in a JSON or YAML array of objects. Raises FileFaultError.

    schema   JSON Schema of the input: cells are read as the types that it names, and stay texts where they are none of that type
    key      column that tells one input from another; a row whose key came before is left out by the caller
    """
    rows = list(_csv_rows(path, schema, key) if path.suffix.lower() == ".csv" else _array_rows(path, key))
    if not rows:
        raise FileFaultError(f"{path}: expected at least one row, found none.")
    return rows


def _array_rows(path: Path, key: str | None) -> Iterator[Row]:
    document = read_document(path)
    if not isinstance(document, list):
        raise FileFaultError(f"{path}: expected an array of inputs, found {type(document).__name__}.")
    for number, each in enumerate(document, 1):
        if not isinstance(each, dict):
            raise FileFaultError(f"{path}: expected an object as input {number}, found {type(each).__name__}.")
        yield Row(number, each, _key(path, each, key))


def _csv_rows(path: Path, schema: Mapping[str, Any], key: str | None) -> Iterator[Row]:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFaultError(
            f"{path}: expected UTF-8, found the byte 0x{error.object[error.start]:02x} at offset {error.start}."
        ) from error
    csv.field_size_limit(MAX_CELL_LENGTH)
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = _header(path, next(reader, []))
        for cells in reader:
            if cells:
                yield _csv_row(path, reader.line_num, header, cells, schema, key)
    except csv.Error as error:
        raise FileFaultError(f"{path}: line {reader.line_num}: {error}.") from error


def _header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if not any(names):
        raise FileFaultError(f"{path}: expected a first line with the names of the columns, found none.")
    if len(set(names)) < len(names) or "" in names:
        raise FileFaultError(f"{path}: expected a different name for every column, found {', '.join(names)}.")
    return names


def _csv_row(path: Path, line: int, header: list[str], cells: list[str], schema: Mapping[str, Any], key: str | None) -> Row:
    if len(cells) != len(header):
        raise FileFaultError(f"{path}: line {line}: expected {len(header)} cells, found {len(cells)}.")
    row = dict(zip(header, cells, strict=True))
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    values = {
        name: _value(cell, properties.get(name, {})) for name, cell in row.items() if cell or name in required or name not in properties
    }
    return Row(line, values, _key(path, row, key))


def _value(cell: str, wanted: Mapping[str, Any]) -> Any:
    if wanted.get("type") not in {"number", "integer", "boolean", "object", "array"}:
        return cell
    try:
        return loads(cell.encode(), max_bytes=MAX_CELL_LENGTH)
    except InvalidJsonError:
        return cell


def _key(path: Path, row: Mapping[str, Any], key: str | None) -> str:
    if key is None:
        return ""
    if key not in row:
        raise FileFaultError(f"{path}: there is no column '{key}'; there are {', '.join(row)}.")
    return str(row[key])


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileFaultError(f"{path}: expected at most {MAX_FILE_BYTES} bytes, found {path.stat().st_size}.")
        return path.read_bytes()
    except OSError as error:
        raise FileFaultError(f"{path}: {error.strerror or error}.") from error
