"""`msgstate serve`."""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Final

import click
import structlog

from msgstate_server.app import CannotStart, Service
from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples, serve_options
from msgstate_server.cli.stopping import stop_on_signals
from msgstate_server.domain.errors import UnknownStore
from msgstate_server.settings import EXPOSURE_MEND, WITHOUT_CREDENTIALS, Settings, SettingsError, is_exposed, load
from msgstate_server.store.opening import without_password
from msgstate_server.telemetry import configure_logging

_COLLECTED_OBJECTS: Final = 20_000
"""Objects more than before, beyond which the collector looks at the young ones."""

_TURN_SECONDS: Final = 0.001
"""How long a thread keeps the interpreter from the others: the one that commits asks for it a dozen times a commit, and
who made the calls waits for it meanwhile."""

_log = structlog.get_logger("msgstate.cli")


@click.command(
    "serve",
    epilog=examples(
        "msgstate serve",
        "msgstate serve --store sqlite:////var/lib/msgstate/msgstate.db --config /etc/msgstate.toml",
        "MSGSTATE_HTTP=0.0.0.0:8080 msgstate serve --config msgstate.toml",
    ),
)
@serve_options
def command(config: Path | None, **given: str | None) -> None:
    """Run the server.

    A flag wins over its variable, the variable over the file, the file over the default. Port 0 takes a free one. Once
    the server takes calls, one line on standard output says where. SIGTERM and SIGINT stop it cleanly: what was taken
    is committed. A second signal ends it at once.
    """
    configure_logging()
    try:
        asyncio.run(_serve(load(config, given)))
    except SettingsError as error:
        raise Failed(str(error), USAGE) from error
    except CannotStart as error:
        raise Failed(str(error), USAGE if isinstance(error.__cause__, UnknownStore) else 1) from error


async def _serve(settings: Settings) -> None:
    # What a batch makes lives until it is committed, which the collector would look through every 700 objects, for a
    # sixteenth of the time of a busy server.
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS)
    sys.setswitchinterval(_TURN_SECONDS)
    with stop_on_signals() as stop:
        service = Service(settings)
        await service.start()
        _say_where(service, settings)
        try:
            await service.run(stop)
        finally:
            await service.stop()


def _say_where(service: Service, settings: Settings) -> None:
    if not any(_credentials(settings)):
        _log.warning(
            "webhooks answer 401, since no credentials are configured for any provider; write a section "
            '[webhooks.cloudmailin] with basic = ["user:password"] into the file given with --config'
        )
    if is_exposed(settings.grpc):
        _log.warning(f"gRPC on {settings.grpc} {WITHOUT_CREDENTIALS}; {EXPOSURE_MEND}")
    store = without_password(settings.store)
    click.echo(f"msgstate is ready: grpc={service.grpc_address} http={service.http_address} store={store}")


def _credentials(settings: Settings) -> list[str]:
    """Every credential that lets webhooks in."""
    sections = [section for own in settings.webhooks.values() for section in (own, *own.accounts.values())]
    return [credential for section in sections for credential in (*section.basic, *section.secrets)]
