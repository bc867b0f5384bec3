"""What can be set, where from, and what it is otherwise: a flag, then a variable, then the file, then the default."""

import math
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from msgstate_server.domain.limits import PROVIDER_PATTERN

_T = TypeVar("_T")
PROVIDERS_WITH_SIGNATURES: Final = frozenset({"emailit"})
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MICROSECONDS: Final = 1_000_000
_SHORTEST_LOG_DAYS: Final = 7
"""Providers repeat a webhook for days: what is repeated must find the event that it repeats."""
RETENTION: Final = ("log_retention", "status_retention", "payload_retention")
"""The settings that say how long things are kept."""


class SettingsError(Exception):
    """A setting that cannot be used; the text names it and the mend."""


class AccountSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What lets webhooks in: any one of the `user:password` pairs, or a signature with any one of the secrets."""

    basic: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


class ProviderSettings(AccountSettings, forbid_unknown_fields=True, frozen=True):
    """A provider's own credentials, and those of each account."""

    accounts: dict[str, AccountSettings] = {}


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything that `msgstate serve` can be told; `read_period` says how periods are written."""

    store: str = "sqlite:///msgstate.db"
    grpc: str = "127.0.0.1:50051"
    http: str = "127.0.0.1:8080"
    log_retention: str = "90d"
    status_retention: str = "400d"
    payload_retention: str = "30d"
    connection_age: str = "30m"
    webhooks: dict[str, ProviderSettings] = {}


def load(config: Path | None, given: Mapping[str, str | None]) -> Settings:
    """The settings of a file, overridden by what was given as flag or variable; raises `SettingsError`."""
    data = _read(config) if config is not None else {}
    data.update({name: value for name, value in given.items() if value is not None})
    webhooks = data.get("webhooks")
    if isinstance(webhooks, dict):
        for provider, section in webhooks.items():
            webhooks[provider] = _convert(section, ProviderSettings, f"{config}: webhooks.{provider}")
    settings = _convert(data, Settings, str(config or "settings"))
    _check(settings)
    return settings


def _convert(data: object, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}{_meant(str(error), kind)}") from error


def _meant(error: str, kind: type[object]) -> str:
    """The key that was probably meant where the error is about one that is unknown."""
    unknown = re.search("unknown field `(.+?)`", error)
    known = (AccountSettings if ".accounts" in error else kind).__struct_fields__  # type: ignore[attr-defined]
    close = get_close_matches(unknown[1], known, n=1) if unknown else ()
    return f"; did you mean `{close[0]}`?" if close else ""


def _read(config: Path) -> dict[str, object]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {config}: {error.strerror}") from error
    except RecursionError as error:
        raise SettingsError(f"{config} is nested too deeply for TOML") from error
    except ValueError as error:
        raise SettingsError(f"{config} is not TOML: {error}") from error


def _check(settings: Settings) -> None:
    for name in ("grpc", "http"):
        split_address(name, getattr(settings, name))
    _check_retention(settings)
    read_period("connection_age", settings.connection_age)
    for provider, own in settings.webhooks.items():
        sections: dict[str, AccountSettings] = {f"webhooks.{provider}": own}
        sections |= {f"webhooks.{provider}.accounts.{name}": account for name, account in own.accounts.items()}
        for name in own.accounts:
            if not re.fullmatch(PROVIDER_PATTERN, name):
                raise SettingsError(f"webhooks.{provider}.accounts.{name}: must be 1 to 64 of a-z, 0-9, '_' and '-'")
        for section, credentials in sections.items():
            _check_credentials(section, provider, credentials)


def _check_retention(settings: Settings) -> None:
    log, status, _ = (_length(settings, name) for name in RETENTION)
    if log < _SHORTEST_LOG_DAYS * _UNITS["d"] * _MICROSECONDS:
        raise SettingsError(
            f"log_retention: must be at least {_SHORTEST_LOG_DAYS}d, since a webhook that comes again finds its event "
            f"in the log alone; found {settings.log_retention!r}"
        )
    if status < log:
        raise SettingsError(
            f"status_retention: must not be shorter than log_retention ({settings.log_retention}): keep statuses as "
            f"long or longer, or the log less long; found {settings.status_retention!r}"
        )


def _length(settings: Settings, name: str) -> float:
    period = read_period(name, getattr(settings, name))
    return math.inf if period is None else period


def read_period(name: str, text: str) -> int | None:
    """A length of time such as 90d or 36h, in microseconds; None where it is for ever. Raises `SettingsError`."""
    if text == "forever":
        return None
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not re.fullmatch(r"[1-9][0-9]{0,5}", number):
        raise SettingsError(
            f"{name}: must be a number of days, hours, minutes or seconds, as in 90d, 36h, 30m and 10s, or forever; "
            f"found {text!r}"
        )
    return int(number) * _UNITS[unit] * _MICROSECONDS


def _check_credentials(section: str, provider: str, credentials: AccountSettings) -> None:
    for number, pair in enumerate(credentials.basic):
        user, colon, password = pair.partition(":")
        if not (user and colon and password):
            raise SettingsError(f"{section}.basic[{number}]: must be 'user:password', neither of them empty")
    if credentials.secrets and provider not in PROVIDERS_WITH_SIGNATURES:
        raise SettingsError(f"{section}.secrets: {provider} does not sign its webhooks; use basic")
    if "" in credentials.secrets:
        raise SettingsError(f"{section}.secrets: must not be empty; give the whole secret as the provider shows it")


WITHOUT_CREDENTIALS: Final = "has no credentials: whoever reaches it can read and publish everything"
"""What is wrong with a gRPC port that others can reach."""
EXPOSURE_MEND: Final = "listen on 127.0.0.1, or let only trusted hosts reach the port"
"""What to do about it."""


def is_exposed(address: str) -> bool:
    """Whether other machines may reach an address; a host name other than localhost may be anything."""
    host, _ = split_address("grpc", address)
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def split_address(name: str, address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, where an IPv6 host is in brackets; raises `SettingsError`."""
    host, colon, port = address.rpartition(":")
    if not colon or not _is_host(host) or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:  # noqa: PLR2004
        raise SettingsError(f"{name}: must be HOST:PORT, for example 127.0.0.1:8080; found {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_host(host: str) -> bool:
    """Whether the system can be asked for it: what is none raises all kinds of errors there."""
    try:
        return bool(host.encode("idna")) and "\0" not in host
    except UnicodeError:
        return False
