"""The way in: each event is checked by itself, then many requests share one durable commit."""

from msgstate_server.ingest.admission import admit
from msgstate_server.ingest.group_commit import Committed, Ingest
from msgstate_server.ingest.quarantine import Part, Quarantine, Replayed
from msgstate_server.ingest.refusals import RefusalLog

__all__ = ["Committed", "Ingest", "Part", "Quarantine", "RefusalLog", "Replayed", "admit"]
