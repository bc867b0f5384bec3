"""A program that follows a watch and is killed: watching.py KIND ADDRESS FOLDER; run it with `python -m`.

KIND is `file` (the token in a file) or `transaction` (positions and token in one transaction of SQLite).
"""

import sqlite3
import sys
from pathlib import Path

from msgstate import EARLIEST, Client


def follow_with_file(client: Client, folder: Path) -> None:
    """Write every position down, then ask for the next."""
    with (folder / "seen").open("a", buffering=1) as seen, client.watch(EARLIEST, keep=folder / "token") as watch:
        for transition in watch:
            seen.write(f"{transition.position}\n")


def follow_with_transaction(client: Client, folder: Path) -> None:
    """Store the positions of each batch together with its token."""
    database = sqlite3.connect(folder / "seen.db", isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS seen (position INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS token (id INTEGER PRIMARY KEY, token TEXT)")
    found = database.execute("SELECT token FROM token").fetchone()
    with client.watch(found[0] if found else EARLIEST) as watch:
        for batch in watch.batches():
            database.execute("BEGIN IMMEDIATE")
            rows = [(transition.position,) for transition in batch.entries]
            database.executemany("INSERT INTO seen VALUES (?)", rows)
            database.execute("INSERT OR REPLACE INTO token VALUES (1, ?)", (batch.resume_token,))
            database.execute("COMMIT")


if __name__ == "__main__":
    kind, address, folder = sys.argv[1:]
    follow = {"file": follow_with_file, "transaction": follow_with_transaction}[kind]
    with Client(address) as client:
        follow(client, Path(folder))
