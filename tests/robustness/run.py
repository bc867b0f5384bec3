"""Campaigns: traffic, then a fault, then recovery, again and again on one log; in the end the judge."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.acceptance.server_process import environment
from tests.robustness import engines
from tests.robustness.arena import Arena, opened
from tests.robustness.engines import Database
from tests.robustness.faults import FAULTS, NotFired, stop, strike
from tests.robustness.history import Finding, now
from tests.robustness.host import ROOT, ServerFailed
from tests.robustness.judge import Case, judge
from tests.robustness.model import Model
from tests.robustness.replica import Replica
from tests.robustness.report import Report
from tests.robustness.server_log import database_faults_in, faults_in
from tests.robustness.statuses import statuses
from tests.robustness.watchers import COMPACTED

ENOUGH: Final = 25
"""Events that must have been acknowledged between two faults."""
ENOUGH_TOLD: Final = 100
"""Events that watchers must have been told between two faults, each counted for every watcher."""
PATIENCE_SECONDS: Final = 30.0
"""Long enough for machines that are busy with something else."""
_POLL_SECONDS: Final = 0.05


class Plan(NamedTuple):
    """What a campaign does: these faults in random order, all of them before any comes again; none names all there are.

    It begins no cycle after so many seconds or cycles, whichever comes first. `folder` must be empty: the file, the
    servers' logs and, where anything is found, the whole record are written there. What must happen and does not within
    `patience` seconds is a finding. With `stop_at_first` it goes no further once something was found meanwhile.
    """

    folder: Path
    seed: int = 1
    seconds: float = 45.0
    cycles: int = sys.maxsize
    faults: tuple[str, ...] = ()
    patience: float = PATIENCE_SECONDS
    stop_at_first: bool = False
    engine: str = engines.SQLITE


async def campaign(plan: Plan, code: Path | None = None) -> Report:
    """Run a plan, and give what was counted and found; each finding names the rule that it breaks.

    `code` is a folder that holds another `msgstate_server`, such as a copy with a bug put in; the clients, the domain
    that the judge folds with, and `msgstate check` stay those of this tree. For example::

        report = await campaign(Plan(tmp_path, seed=7, cycles=8, faults=("kill@write.after_head",)), copy / "server")
        assert "acknowledged_events_are_in_the_log" in report.rules()

    Such a run takes about a second a cycle, and four more. Where the traffic before a fault was too thin, the fault did
    not happen, or the last write did not succeed, that is a finding too.
    """
    async with engines.opened(plan.engine, plan.folder) as database:
        arena = await _run(plan, database, code)
        report = await asyncio.to_thread(_judged, arena)
    if report.findings:
        arena.history.save(plan.folder / "record")
    return report


async def _run(plan: Plan, database: Database, code: Path | None) -> Arena:
    """Everything but the judgement; no server runs any more."""
    async with opened(plan.folder, database, plan.seed, code, plan.patience) as arena:
        try:
            await _cycles(arena, plan)
            if not _has_enough(arena, plan):
                await _finale(arena, plan)
        except NotFired as error:
            arena.history.find("the_fault_happens", str(error))
        except TimeoutError as error:
            arena.history.find("last_write_succeeds", str(error))
        except ServerFailed as error:
            arena.history.find("the_server_comes_back", str(error))
    return arena


async def _cycles(arena: Arena, plan: Plan) -> None:
    began, deck = now(), list[str]()
    for _ in range(plan.cycles):
        if now() - began > plan.seconds or _has_enough(arena, plan):
            return
        if not deck:
            deck = _dealt(plan.faults or FAULTS[plan.engine], arena.chosen)
        await _cycle(arena, deck.pop())


def _dealt(faults: Sequence[str], chosen: random.Random) -> list[str]:
    """The faults in random order, to be taken from the end: one of each kind comes before any kind comes again."""
    deck = chosen.sample(faults, len(faults))
    first = {fault.partition("@")[0]: index for index, fault in enumerate(deck)}.values()
    return [fault for index, fault in enumerate(deck) if index not in first] + [deck[index] for index in first]


def _has_enough(arena: Arena, plan: Plan) -> bool:
    return plan.stop_at_first and bool(arena.history.findings or arena.archive.findings)


async def _cycle(arena: Arena, fault: str) -> None:
    acknowledged, told = arena.history.acknowledged() + ENOUGH, arena.history.told + ENOUGH_TOLD
    if not await arena.until(lambda: arena.history.acknowledged() >= acknowledged and arena.history.told >= told):
        missing = acknowledged - arena.history.acknowledged(), told - arena.history.told
        arena.history.find("traffic_is_thick_enough", f"{missing} events acknowledged and told too few before {fault}")
    replica, since = arena.any_replica(), now()
    await strike(arena, replica, fault)
    until = now()
    await _write(arena, replica, f"after {fault}")
    if arena.are_several:
        what = f"nothing is acknowledged by any replica: {fault.partition('@')[0]}"
        arena.longest[what] = max(arena.longest.get(what, 0.0), arena.history.silence(since, until))
    arena.counts["cycles survived"] += 1


async def _write(arena: Arena, replica: Replica, when: str) -> int:
    try:
        return await arena.write(replica)
    except TimeoutError:
        raise TimeoutError(f"nothing could be written {when}: {replica.host.running.log()[-2_000:]}") from None


async def _finale(arena: Arena, plan: Plan) -> None:
    """The last write succeeds, every watcher comes to it, and the servers end as they should."""
    await arena.end_traffic()
    position = 0
    for replica in arena.replicas:
        position = await _write(arena, replica, "in the end")
    if not await arena.until(lambda: arena.archive.last.position >= position):
        arena.history.find("last_write_succeeds", f"the log ends before {position}, which was acknowledged")
    if _has_enough(arena, plan):
        return
    await arena.until(lambda: all(watcher.covers(position) for watcher in arena.watchers))
    for watcher in arena.watchers:
        if not watcher.covers(position):
            arena.history.find("watchers_converge", f"{watcher.habit.name} does not come to {position}")
    await arena.end_watches()
    for replica in arena.replicas:
        await _empty(arena, replica)
        await stop(arena, replica)


async def _empty(arena: Arena, replica: Replica) -> None:
    """Nothing runs in the server for clients that have left."""
    deadline = now() + arena.patience
    while (tasks := await replica.host.tasks()) > replica.idle_tasks:
        if now() > deadline:
            what = f"{tasks} tasks run when all clients have left, {replica.idle_tasks} before they came"
            arena.history.find("nothing_runs_for_those_who_left", what)
            return
        await asyncio.sleep(_POLL_SECONDS)


def _judged(arena: Arena) -> Report:
    """Hold the record against the log, on which no server runs any more."""
    archive, history, database = arena.archive, arena.history, arena.database
    hosts = [replica.host for replica in arena.replicas]
    archive.look()
    retained = {entry.position: entry for entry in archive.retained()}
    model = Model(archive, database.periods)
    findings = judge(Case(history, model, retained, list(statuses(database.tables))))
    findings += [*_check(database.url), *faults_in("\n".join(host.log() for host in hosts))]
    findings += database_faults_in(database.log())
    if archive.unseen:
        # What nobody saw in time cannot be held against anything: the rules then say less than they seem to.
        what = f"retention removed {len(archive.unseen)} events before they were seen"
        findings.append(Finding("everything_was_seen", what))
    responses = [response for segment in history.segments for response in segment.responses]
    counts = arena.counts + Counter(
        {
            "events acknowledged": history.acknowledged(),
            "events in the log": len(archive.rows),
            "events sent without an answer": sum(len(each.facts) for each in history.attempts if not each.acknowledged),
            "events known already": sum(attempt.known for attempt in history.attempts),
            "events that retention removed": len(archive.rows) - len(retained),
            "events that retention removed unseen": len(archive.unseen),
            "watch segments": len(history.segments),
            "watch segments refused below the floor": sum(each.end == COMPACTED for each in history.segments),
            "watch responses": len(responses),
            "watch checkpoints": sum(not response.rows for response in responses),
            "watch rows": sum(len(response.rows) for response in responses),
            "reads": len(history.reads),
            "recipients": len(model.last_lives),
            "server processes": sum(len(host.processes) for host in hosts),
        }
    )
    return Report(counts, findings, longest=arena.longest)


def _check(store: str) -> list[Finding]:
    """What `msgstate check` has to say."""
    command = [sys.executable, "-m", "msgstate_server", "check", "--store", store, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment())
    *told, _ = [*map(json.loads, done.stdout.splitlines()), None] if done.returncode else [None]
    if done.returncode and not told:
        return [Finding("check_finds_nothing", done.stderr)]
    return [Finding("check_finds_nothing", json.dumps(each)) for each in told[:5]]
