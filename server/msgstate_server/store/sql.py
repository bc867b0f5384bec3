"""Reads an engine's SQL files: statements under `-- name:` lines."""

from importlib.resources import files


def statements(package: str, file: str) -> dict[str, str]:
    """The statements of one file of a package, by name, in the file's order."""
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    named: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        named[name.strip()] = "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
    return named
