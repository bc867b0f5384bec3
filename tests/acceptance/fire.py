"""The processes of `test_under_fire`: each uses the client as any program would, and writes down what it saw.

`fire.py publish|follow|move|list|join ADDRESS SEED FILE`: `follow` watches every event, `move` every transition, both
in stretches of random length from the token of the last line of their file, so that they can be killed and started
again; `join` lists, then watches from the list's token.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from msgstate import EARLIEST, Batch, Client, Event, EventType, LogEntry, Transition
from msgstate.v1.log_pb2 import Effect

EVENTS = 6_000
MESSAGES = 600
RATE = 2_000
"""Events a second, at most."""
LAST = "the-last-message"
_TYPES = [number for number in EventType.values() if number]


def events(seed: int) -> list[Event]:
    """What is published: events of all types about a few hundred messages, some of them twice, in random order."""
    chosen = random.Random(seed)  # noqa: S311
    made = [
        Event(
            provider=chosen.choice(("own", "other")),
            message_id=f"m{chosen.randrange(MESSAGES)}",
            recipient=f"r{chosen.randrange(2)}@example.com",
            type=chosen.choice(_TYPES),
            event_id=f"e{number}",
        )
        for number in range(EVENTS)
    ]
    made += chosen.sample(made, EVENTS // 20)
    chosen.shuffle(made)
    return made


def publish(client: Client, chosen: random.Random, file: TextIO) -> None:
    """Publish all of it at a steady rate, then one event that tells the others that it was the last."""
    left = events(int(sys.argv[3]))
    accepted = 0
    due = time.monotonic()
    while left:
        size = chosen.randrange(1, 400)
        accepted += client.publish(left[:size], batch_size=chosen.randrange(20, 200)).accepted
        left = left[size:]
        due += size / RATE
        time.sleep(max(0.0, due - time.monotonic()))
    client.publish([Event(provider="own", message_id=LAST, recipient="r@example.com", type=EventType.EVENT_TYPE_SENT)])
    _write(file, accepted)


def follow(client: Client, chosen: random.Random, file: TextIO) -> None:
    """Write down the events of the log."""
    token = _last_token(file)
    done = False
    while not done:
        with client.watch_events(token or EARLIEST, max_batch_size=chosen.randrange(1, 300)) as watch:
            for batch in _some(watch.batches(), chosen):
                moved = Effect.EFFECT_MOVED
                seen = [
                    (each.position, each.event.event_id, each.version, each.effect == moved) for each in batch.entries
                ]
                token = _note(file, seen, batch)
                done = any(each.event.message_id == LAST for each in batch.entries)
                if done:
                    break


def move(client: Client, chosen: random.Random, file: TextIO) -> None:
    """Write down the transitions."""
    token = _last_token(file)
    done = False
    while not done:
        with client.watch(token or EARLIEST, max_batch_size=chosen.randrange(1, 300)) as watch:
            for batch in _some(watch.batches(), chosen):
                seen = [(each.position, each.event.event_id, each.version, True) for each in batch.entries]
                token = _note(file, seen, batch)
                done = any(each.message_id == LAST for each in batch.entries)
                if done:
                    break


def list_(client: Client, chosen: random.Random, file: TextIO) -> None:
    """Write down whole lists, one after the other, until one has the last message."""
    done = False
    while not done:
        statuses = client.list_statuses(page_size=chosen.randrange(20, 400))
        listed = [(each.provider, each.message_id, each.recipient, each.state) for each in statuses]
        _write(file, listed)
        done = any(message_id == LAST for _, message_id, _, _ in listed)


def join(client: Client, chosen: random.Random, file: TextIO) -> None:
    """Write down lists of versions, each with the versions of every transition from its token to the end."""
    while True:
        statuses = client.list_statuses(page_size=chosen.randrange(20, 400))
        listed = [(each.provider, each.message_id, each.recipient, each.version) for each in statuses]
        moved: list[tuple[str, str, str, int]] = []
        stretch = chosen.randrange(1, 2_000)
        with client.watch(statuses.resume_token) as watch:
            for each in watch:
                moved.append((each.provider, each.message_id, each.recipient, each.version))
                if each.message_id == LAST or len(moved) == stretch:
                    break
        _write(file, {"listed": listed, "moved": moved})
        if moved[-1][1] == LAST:
            return


def _some(batches: Iterator[Batch], chosen: random.Random) -> Iterator[Batch]:  # type: ignore[type-arg]
    """So many of the batches, until the watcher disconnects."""
    for _, batch in zip(range(chosen.randrange(1, 12)), batches, strict=False):
        yield batch


def _note(file: TextIO, seen: list[tuple[int, str, int, bool]], batch: Batch[LogEntry] | Batch[Transition]) -> str:
    _write(file, {"seen": seen, "token": batch.resume_token})
    return batch.resume_token


def _write(file: TextIO, value: object) -> None:
    file.write(json.dumps(value) + "\n")
    file.flush()


def _last_token(file: TextIO) -> str:
    """Where the last run of this process came to; half a line is none."""
    text = Path(file.name).read_text()
    whole = text[: text.rfind("\n") + 1]
    os.truncate(file.name, len(whole))
    lines = whole.splitlines()
    token: str = json.loads(lines[-1])["token"] if lines else ""
    return token


def main() -> None:
    """Do one of them."""
    kind, address, seed, name = sys.argv[1:]
    chosen = random.Random(f"{kind}/{seed}")  # noqa: S311
    with Path(name).open("a") as file, Client(address) as client:
        {"publish": publish, "follow": follow, "move": move, "list": list_, "join": join}[kind](client, chosen, file)


if __name__ == "__main__":
    main()
