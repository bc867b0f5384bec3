"""Every limit that msgstate puts on what it takes and gives, in one table. Lengths are bytes of UTF-8."""

from typing import Final

PROVIDER_PATTERN: Final = r"[a-z0-9_-]{1,64}"
ID_BYTES: Final = 998
"""Of a message id, recipient, event id or alias: the longest line that RFC 5322 allows."""
PROVIDER_TYPE_BYTES: Final = 256
DETAIL_BYTES: Final = 2_048
URL_BYTES: Final = 2_048
USER_AGENT_BYTES: Final = 1_024
IP_ADDRESS_BYTES: Final = 64
ENHANCED_CODE_BYTES: Final = 16
SMTP_CODE_MAX: Final = 999
ALIASES: Final = 16
METADATA_PAIRS: Final = 32
METADATA_BYTES: Final = 4_096
"""Of all keys and values together."""
EVENT_BYTES: Final = 16_384
BATCH_EVENTS: Final = 1_000
BATCH_BYTES: Final = 1_048_576
RESPONSE_BYTES: Final = 1_048_576
"""Of every page and stream response."""
WATCH_RESPONSE_BYTES: Final = 49_152
"""Of the entries in one response of a watch, or one larger entry. It bounds what a stalled reader costs."""
RECEIVE_BYTES: Final = 8_388_608
"""Of any gRPC request."""
WEBHOOK_BYTES: Final = 5_242_880
MESSAGE_RECIPIENTS: Final = 1_000
"""Recipients in one `MessageStatus`; the rest is listed."""
RECIPIENT_ALIASES: Final = 256
"""Aliases that are kept of one recipient: the first in order of their characters."""
RECIPIENT_REFS: Final = 16
"""Refs that are kept of one recipient: the first in order of their characters."""
RECIPIENT_METADATA_PAIRS: Final = 32
"""Metadata pairs that are kept of one recipient: those of the first keys in order of their characters."""
RECIPIENT_METADATA_BYTES: Final = 256
"""Of one metadata pair of a recipient's status, key and value together. A longer pair is kept with its event alone."""
REF_RECIPIENTS: Final = 10_000
"""Recipients of messages that one ref may name; those that appeared later are left out."""
MESSAGE_ALIASES: Final = 256
"""Aliases in one `MessageStatus`."""
BATCH_KEYS: Final = 500
"""Messages that one batch may ask for."""
BATCH_RECIPIENTS: Final = 5
"""Recipients of each message of a batch."""
PAGE_SIZE: Final = 1_000
"""Most items on one page of a list; a larger `page_size` means it."""
PAGE_SIZE_DEFAULT: Final = 100
"""Items on a page where no `page_size` is asked for."""
AMBIGUOUS_NAMED: Final = 10
"""Messages that MESSAGE_AMBIGUOUS names."""
FILTER_VALUES: Final = 1_000
"""Values in each list of a filter."""
FILTER_BYTES: Final = 65_536
"""Of the filter of a watch, all values together: the server holds what stands for them as long as the watch lasts."""
WATCHERS: Final = 5_000
"""Watches that one server serves at a time."""
VIOLATIONS_TOLD: Final = 20
"""Violations told of one event of a batch; fewer where the answer would be larger than a response may be."""
QUARANTINE_IDS: Final = 100
"""Quarantined webhooks that one call may replay or discard."""
PROBLEMS_BYTES: Final = 65_536
"""Of the problems told of one quarantined webhook; the rest is counted."""
CHUNK_BYTES: Final = 262_144
"""Of a body, in one response."""
REPORT_RECIPIENTS: Final = 50
"""Recipients that one event of a webhook may report on."""
CHECKPOINT_SECONDS: Final = (1.0, 60.0)
"""Shortest and longest checkpoint interval; others are clamped."""
CHECKPOINT_SECONDS_DEFAULT: Final = 10.0
WATCH_BATCH: Final = 1_000
"""Most transitions in one response of a watch, and what an unset or larger `max_batch_size` means."""
