"""What can be set, where from, and what it is otherwise: a flag, then a variable, then the file, then the default."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from msgstate_server.domain.limits import PROVIDER_PATTERN

_T = TypeVar("_T")
PROVIDERS_WITH_SIGNATURES: Final = frozenset({"emailit"})


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
    """Everything that `msgstate serve` can be told."""

    store: str = "sqlite:///msgstate.db"
    grpc: str = "127.0.0.1:50051"
    http: str = "127.0.0.1:8080"
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
        raise SettingsError(f"{where}: {error}") from error


def _read(config: Path) -> dict[str, object]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {config}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from error


def _check(settings: Settings) -> None:
    for name in ("grpc", "http"):
        split_address(name, getattr(settings, name))
    for provider, own in settings.webhooks.items():
        sections: dict[str, AccountSettings] = {f"webhooks.{provider}": own}
        sections |= {f"webhooks.{provider}.accounts.{name}": account for name, account in own.accounts.items()}
        for name in own.accounts:
            if not re.fullmatch(PROVIDER_PATTERN, name):
                raise SettingsError(f"webhooks.{provider}.accounts.{name}: must be 1 to 64 of a-z, 0-9, '_' and '-'")
        for section, credentials in sections.items():
            _check_credentials(section, provider, credentials)


def _check_credentials(section: str, provider: str, credentials: AccountSettings) -> None:
    for number, pair in enumerate(credentials.basic):
        user, colon, password = pair.partition(":")
        if not (user and colon and password):
            raise SettingsError(f"{section}.basic[{number}]: must be 'user:password', neither of them empty")
    if credentials.secrets and provider not in PROVIDERS_WITH_SIGNATURES:
        raise SettingsError(f"{section}.secrets: {provider} does not sign its webhooks; use basic")
    if "" in credentials.secrets:
        raise SettingsError(f"{section}.secrets: must not be empty; give the whole secret as the provider shows it")


def split_address(name: str, address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, where an IPv6 host is in brackets; raises `SettingsError`."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise SettingsError(f"{name}: must be HOST:PORT, for example 127.0.0.1:8080; found {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
