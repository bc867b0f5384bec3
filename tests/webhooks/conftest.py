from collections.abc import Callable

import pytest

from msgstate_server.domain.decision import Disposition, Outcome, Submission
from msgstate_server.domain.errors import Unavailable
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.samples import NOW


class RecordedIngest:
    """Stands where the store would be: keeps what is submitted, and gives each key the position of its first event."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.positions: dict[str, int] = {}
        self.error: Unavailable | RuntimeError | None = None

    async def submit(self, submission: Submission, timeout: float | None = None) -> list[Outcome]:  # noqa: ASYNC109
        """One outcome per candidate, or the error that is set."""
        assert timeout is not None
        if self.error:
            raise self.error
        self.submissions.append(submission)
        return [self._outcome(candidate.key) for candidate in submission.candidates]

    def _outcome(self, key: str) -> Outcome:
        known = key in self.positions
        position = self.positions.setdefault(key, len(self.positions) + 1)
        return Outcome(Disposition.DUPLICATE if known else Disposition.ACCEPTED, position)


@pytest.fixture
def ingest() -> RecordedIngest:
    return RecordedIngest()


@pytest.fixture
def credentials() -> dict[tuple[str, str], Credentials]:
    """The same credentials for every provider, others for one account of each."""
    own = Credentials(basic=("user:password",), secrets=("whsec_main",))
    account = Credentials(basic=("shop:password",), secrets=("whsec_shop",))
    return {(name, label): value for name in PROVIDERS for label, value in (("", own), ("shop", account))}


@pytest.fixture
def clock() -> Callable[[], int]:
    return lambda: NOW
