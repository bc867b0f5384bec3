"""Bugs of what tells of the log: watches, and the tokens that come with reads."""

from typing import Final

from tests.robustness.bugs import BURST, CUT, RETENTION, TERM, Bug, Edit

_WATCHER: Final = "watch/watcher.py"
_GROUP: Final = "watch/group.py"
_TAIL: Final = "watch/tail.py"
_START: Final = "watch/start.py"
_WATCHES: Final = "watch/watches.py"
_STATUSES: Final = "rpc/message_status_service.py"

WATCH_BUGS: Final = (
    Bug(
        "a checkpoint goes out before what it covers",
        "watches_are_in_order",
        CUT,
        [
            Edit(
                _WATCHER,
                """                    with self._sending(batch):
                        yield batch
""",
                """                    with self._sending(batch):
                        data = self._wanted.wire.response([], batch.token, batch.live, batch.token.position)
                        yield Batch(data, 0, batch.token, batch.live)
                        yield batch
""",
            )
        ],
    ),
    Bug(
        "a watch resumes one event too late",
        "watches_begin_where_asked",
        CUT,
        [
            Edit(
                _START,
                """            return start
        case StartPoint.NOW""",
                """            return start._replace(position=min(start.position + 1, head.position))
        case StartPoint.NOW""",
            )
        ],
    ),
    Bug(
        "a watch from the beginning begins before the floor",
        "watches_begin_where_asked",
        RETENTION,
        [Edit(_START, "Token(head.log_id, head.floor, head.floor_fingerprint)", "Token(head.log_id, 0, bytes(8))")],
    ),
    Bug(
        "a watch from a time to come tells what was before",
        "watches_tell_only_the_log",
        CUT,
        [Edit(_WATCHES, "            return wanted._replace(since=start)\n", "            return wanted\n")],
    ),
    Bug(
        "an overflow is dropped",
        "watches_miss_nothing",
        BURST,
        [Edit(_GROUP, "        self.start = self._slots.popleft().position\n", "        self._slots.popleft()\n")],
    ),
    Bug(
        "an overflow ends the watch",
        "watches_are_refused_for_a_reason",
        BURST,
        [
            Edit(
                _WATCHER,
                """            return self._group
        if not self._tail""",
                """            return self._group
        if self._group is not None:
            raise StoreUnavailable("too slow")
        if not self._tail""",
            ),
            Edit(
                _WATCHER,
                "from msgstate_server.failpoints import failpoint\n",
                "from msgstate_server.domain.errors import StoreUnavailable\n"
                "from msgstate_server.failpoints import failpoint\n",
            ),
        ],
    ),
    Bug(
        "who is woken takes what woke it for covered",
        "watches_miss_nothing",
        CUT,
        [
            Edit(
                _TAIL,
                """        for group in matched:
            group.wake(before)
""",
                """        for group in matched:
            group.wake(self.token)
""",
            )
        ],
    ),
    Bug(
        "a page begins one event too late",
        "watches_miss_nothing",
        CUT,
        [
            Edit(
                "watch/pages.py",
                "self._store.read_log(begin.position, size, begin.fingerprint)",
                "self._store.read_log(begin.position + 1, size)",
            )
        ],
    ),
    Bug(
        "the window repeats one where pages end",
        "watches_are_in_order",
        CUT,
        [
            Edit(_GROUP, "first = bisect_right(", "first = bisect_left("),
            Edit(_GROUP, "from bisect import bisect_right", "from bisect import bisect_left"),
        ],
    ),
    Bug(
        "a page that is cut covers what was cut off",
        "watches_miss_nothing",
        CUT,
        [
            Edit(
                "watch/pages.py",
                "last = matching[len(items) - 1] if is_cut else entries[-1] if entries else None",
                "last = entries[-1] if entries else None",
            )
        ],
    ),
    Bug(
        "shares are of another count",
        "watches_tell_only_the_log",
        CUT,
        [
            Edit(
                "watch/filter.py",
                "_digest(provider, message_id) % count",
                "_digest(provider, message_id) % (count + 1)",
            )
        ],
    ),
    Bug(
        "a cancelled watch goes on",
        "nothing_runs_for_those_who_left",
        CUT,
        [
            Edit(
                _TAIL,
                """            return await waiter
        finally""",
                """            return await waiter
        except asyncio.CancelledError:
            return self.token
        finally""",
            )
        ],
    ),
    Bug(
        "what comes between a look and the wait wakes nobody",
        "watches_miss_nothing",
        CUT,
        [
            Edit(
                _TAIL,
                """        waiter = group.waiter()
""",
                """        await asyncio.sleep(0.1)
        waiter = group.waiter()
""",
            )
        ],
    ),
    Bug(
        "a watch ends as if all were said where the service stops",
        "watches_are_refused_for_a_reason",
        TERM,
        [Edit(_WATCHES, "        raise Draining(", "        Draining(")],
    ),
    Bug(
        "a read's token is taken after the read",
        "reads_see_what_their_token_covers",
        RETENTION,
        [
            Edit(
                _STATUSES,
                """        response = pb.ListMessageStatusesResponse(resume_token=Token.at(head).encode())
""",
                """        await asyncio.sleep(0.1)
        response = pb.ListMessageStatusesResponse(resume_token=Token.at(self._store.head).encode())
""",
            ),
            Edit(
                _STATUSES,
                """        write_answers(response, request.keys, answers)
""",
                """        await asyncio.sleep(0.1)
        response.resume_token = Token.at(self._store.head).encode()
        write_answers(response, request.keys, answers)
""",
            ),
            Edit(
                _STATUSES,
                "from collections.abc import AsyncGenerator",
                "import asyncio\nfrom collections.abc import AsyncGenerator",
            ),
        ],
    ),
)
