"""Options that several commands share, and how a command shows its examples."""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.settings import Settings, SettingsError, read_period

_Function = TypeVar("_Function", bound=Callable[..., object])

STATES: Final = tuple(state.name for state in State if state)
TYPES: Final = tuple(event_type.name for event_type in EventType if event_type)
DEFAULT_SERVER: Final = Settings().grpc


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    from msgstate import Client  # noqa: PLC0415  (commands that call no server need no gRPC)

    try:
        Client(value).close()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _without_secret(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Warn of a password in a flag."""
    if value is None or ctx.get_parameter_source(param.name or "") is not ParameterSource.COMMANDLINE:
        return value
    from msgstate_server.store.opening import without_password  # noqa: PLC0415  (most commands need no store)

    if without_password(value) != value and not ctx.resilient_parsing:
        click.echo(
            "msgstate: warning: whoever lists the processes of this machine sees the password in --store: give the "
            "store in MSGSTATE_STORE instead, or to `serve` and `doctor` in the file of --config",
            err=True,
        )
    return value


server_option = click.option(
    "--server",
    envvar="MSGSTATE_SERVER",
    default=DEFAULT_SERVER,
    metavar="HOST:PORT,...",
    show_default=True,
    show_envvar=True,
    callback=_address,
    help="The server's gRPC address; of several that share one store, all, with commas between them.",
)


def store_option(description: str) -> Callable[[_Function], _Function]:
    """`--store`, of commands that look at a store themselves."""
    return click.option(
        "--store",
        envvar="MSGSTATE_STORE",
        default=Settings().store,
        metavar="URL",
        show_default=True,
        show_envvar=True,
        callback=_without_secret,
        help=description,
    )


def serve_options(function: _Function) -> _Function:
    """What `serve` can be told, each with its variable; what is not given is None: the settings file decides."""
    default = Settings()
    for option in (
        click.option("--config", envvar="MSGSTATE_CONFIG", metavar="FILE", show_envvar=True,
                     type=click.Path(path_type=Path), help="A TOML file; webhook credentials stand only there."),
        _setting("connection-age", "PERIOD",
                 "After how long gRPC clients are told to connect anew, and so to spread over all servers.  "
                 f"[default: {default.connection_age}]"),
        _setting("payload-retention", "PERIOD",
                 f"How long the raw bodies of webhooks are kept.  [default: {default.payload_retention}]"),
        _setting("status-retention", "PERIOD",
                 f"How long a recipient is kept after its last event.  [default: {default.status_retention}]"),
        _setting("log-retention", "PERIOD",
                 "How long events are kept after their recipient's last one: 90d, 240h, forever.  "
                 f"[default: {default.log_retention}]"),
        _setting("http", "HOST:PORT", f"Where webhooks come in.  [default: {default.http}]"),
        _setting("grpc", "HOST:PORT", f"Where the gRPC services listen.  [default: {default.grpc}]"),
        _setting("store", "URL", f"Where events are kept.  [default: {default.store}]", callback=_without_secret),
    ):  # fmt: skip
        function = option(function)
    return function


def _setting(name: str, kind: str, description: str, **attributes: Any) -> Callable[[_Function], _Function]:
    variable = f"MSGSTATE_{name.upper().replace('-', '_')}"
    return click.option(f"--{name}", envvar=variable, metavar=kind, show_envvar=True, help=description, **attributes)


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line, in the JSON form of Protocol Buffers.",
)


class Time(click.ParamType[datetime, datetime | str]):
    """A time in ISO 8601, as an aware datetime; local, where it names no offset."""

    name = "time"

    def convert(self, value: datetime | str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it, or refuse it as wrong usage."""
        time = value if isinstance(value, datetime) else time_of(value)
        if time is None:
            self.fail(f"{value!r} is not a time in ISO 8601, for example 2026-11-21T09:00:00Z", param, ctx)
        return time


IDS: Final = click.IntRange(1, 2**63 - 1)
"""What the contract numbers things by."""


def time_of(text: str) -> datetime | None:
    """The time in ISO 8601, as an aware datetime; None where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None


def complete_provider(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The providers that this program knows; a server may know of others, from what was published."""
    from msgstate_server.webhooks.providers import PROVIDERS  # noqa: PLC0415  (only a shell that completes needs it)

    return [name for name in PROVIDERS if name.startswith(incomplete)]


def provider_option(name: str = "provider", **attributes: object) -> Callable[[_Function], _Function]:
    """`--provider`, which a shell completes."""
    return click.option("--provider", name, shell_complete=complete_provider, metavar="NAME", **attributes)  # type: ignore[arg-type]


class EnumChoice(click.Choice[str]):
    """A value of one of the contract's enums, in upper or lower case, with or without the contract's prefix."""

    def __init__(self, values: Sequence[str], prefix: str) -> None:
        """`prefix` is, for example, `STATE_`."""
        super().__init__(values, case_sensitive=False)
        self._prefix = prefix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value without its prefix; refused with all valid values where it is none."""
        return super().convert(str(value).upper().removeprefix(self._prefix), param, ctx)


class Duration(click.ParamType[timedelta, timedelta | str]):
    """A length of time such as 2h, 90m or 3d."""

    name = "duration"

    def convert(self, value: timedelta | str, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or refuse it as wrong usage."""
        if isinstance(value, timedelta):
            return value
        try:
            period = read_period(self.name, value)
        except SettingsError:
            period = None
        if period is None:
            self.fail(f"{value!r} is not a length of time such as 90s, 30m, 2h or 3d", param, ctx)
        return timedelta(microseconds=period)


class Pair(click.ParamType[tuple[str, str], tuple[str, str] | str]):
    """A metadata pair, KEY=VALUE."""

    name = "pair"

    def convert(
        self, value: tuple[str, str] | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read it, or refuse it as wrong usage."""
        if isinstance(value, tuple):
            return value
        key, sign, rest = value.partition("=")
        if not key or not sign:
            self.fail(f"{value!r} is not KEY=VALUE, for example campaign=spring", param, ctx)
        return key, rest


def ref_option(description: str) -> Callable[[_Function], _Function]:
    """`--ref`, the sender's own id."""
    return click.option("--ref", "message_ref", default="", metavar="REF", help=description)


def label_options(function: _Function) -> _Function:
    """`--account` and `--metadata`, by which lists and watches filter."""
    for option in (
        click.option("--metadata", type=Pair(), metavar="KEY=VALUE", help="Only recipients with this metadata."),
        click.option("--account", default="", metavar="NAME", help="Only recipients of this account."),
    ):
        function = option(function)
    return function


def require_id_or_ref(message_id: str, message_ref: str) -> None:
    """Refuse a call that names no message, or names it twice."""
    if bool(message_id) == bool(message_ref):
        raise click.UsageError("Give a MESSAGE_ID or --ref, and not both.")


def choice_option(
    flag: str, name: str, values: Sequence[str], description: str, prefix: str = "STATE_"
) -> Callable[[_Function], _Function]:
    """An option that takes any of the values, as `EnumChoice` does, and can be repeated."""
    text = f"{description}: {', '.join(values)}."
    return click.option(
        flag,
        name,
        multiple=True,
        type=EnumChoice(values, prefix),
        metavar=flag.rpartition("-")[2].upper(),
        # By itself click would offer them in lower case.
        shell_complete=lambda _, __, typed: [value for value in values if value.startswith(typed.upper())],
        help=text,
    )


def examples(*lines: str) -> str:
    """The end of a command's help: lines to paste."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def program() -> str:
    """How this program was called, so that what is printed works when it is pasted."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m msgstate_server"
    found = shutil.which(called.name)
    if found and Path(found).resolve() == called.resolve():
        return called.name
    return shlex.quote(sys.argv[0])


def to_paste(words: Iterable[str], server: str, options: Iterable[tuple[str, str]], argument: str = "") -> str:
    """A command of this program that works when it is pasted: its words, the server, other options and an argument."""
    named = [("--server", server)] if server != DEFAULT_SERVER else []
    shown = (f"{name} {shlex.quote(value)}" if value else name for name, value in (*named, *options))
    last = ("--",) * argument.startswith("-") + (shlex.quote(argument),) * bool(argument)
    return " ".join((program(), *map(shlex.quote, words), *shown, *last))
