"""Keeps in a SQLite file who must not be sent to any more: python stop_sending.py HOST:PORT FILE."""

import sqlite3
import sys
from collections.abc import Iterable, Iterator

from msgstate import Client, EventType, HistoryDiverged, PositionCompacted, RecipientStatus

WHY = {
    EventType.EVENT_TYPE_BOUNCED: "FAILED",  # these two, and no other, make a failure final
    EventType.EVENT_TYPE_EXPIRED: "FAILED",
    EventType.EVENT_TYPE_COMPLAINED: "COMPLAINED",
    EventType.EVENT_TYPE_UNSUBSCRIBED: "UNSUBSCRIBED",
}
SCHEMA = """
    CREATE TABLE IF NOT EXISTS stopped (recipient TEXT, why TEXT, PRIMARY KEY (recipient, why));
    CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL);
"""


def main(address: str, file: str) -> None:
    """Follow the server at this address, for ever."""
    database = sqlite3.connect(file)
    database.executescript(SCHEMA)
    with Client(address) as client:
        while True:
            place = database.execute("SELECT token FROM place").fetchone()
            try:
                follow(client, database, place[0] if place else read_all(client, database))
            except (HistoryDiverged, PositionCompacted):
                # The log is not the one that was read, or no longer reaches back so far. Who was stopped stays so.
                keep(database, (), None)


def follow(client: Client, database: sqlite3.Connection, token: str) -> None:
    """Keep everyone who comes after the token."""
    with client.watch_events(token, types=list(WHY)) as watch:
        for batch in watch.batches():
            stopped = [(entry.event.recipient, WHY[entry.event.type]) for entry in batch.entries]
            keep(database, stopped, batch.resume_token)


def read_all(client: Client, database: sqlite3.Connection) -> str:
    """Take what is known from the statuses. Their token was taken before they were read, so nothing is missed."""
    statuses = client.list_statuses()
    for page in statuses.pages():
        keep(database, [row for status in page.items for row in reasons(status)], None)
    keep(database, (), statuses.resume_token)
    return statuses.resume_token


def reasons(status: RecipientStatus) -> Iterator[tuple[str, str]]:
    """Why, if at all, a recipient must not be sent to any more, whatever the order in which the events came."""
    if status.failure.final:
        yield status.recipient, "FAILED"
    if status.HasField("complained_time"):
        yield status.recipient, "COMPLAINED"
    if status.HasField("unsubscribed_time"):
        yield status.recipient, "UNSUBSCRIBED"


def keep(database: sqlite3.Connection, stopped: Iterable[tuple[str, str]], token: str | None) -> None:
    """Keep the rows and the place behind them in one transaction: after a crash neither is there without the other."""
    with database:
        database.executemany("INSERT OR IGNORE INTO stopped VALUES (?, ?)", stopped)
        database.execute("DELETE FROM place")
        if token:
            database.execute("INSERT INTO place VALUES (1, ?)", (token,))


if __name__ == "__main__":
    main(*sys.argv[1:])
