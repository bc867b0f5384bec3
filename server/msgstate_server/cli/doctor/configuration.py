"""The settings: where each one comes from, and which providers may post."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgstate_server.cli.doctor.finding import Finding, failed, ok, warning
from msgstate_server.settings import RETENTION, Settings, SettingsError, load
from msgstate_server.store.opening import without_password
from msgstate_server.webhooks.providers import PROVIDERS

VARIABLES: Final = {name: f"MSGSTATE_{name.upper()}" for name in ("store", "grpc", "http", *RETENTION)}
_KNOWN: Final = {*VARIABLES.values(), "MSGSTATE_CONFIG", "MSGSTATE_SERVER"}
_TESTS: Final = "MSGSTATE_TEST_"
_OTHERS_MAY_READ: Final = 0o004


def settings(
    config: Path | None, flags: Mapping[str, str | None], variables: Mapping[str, str | None]
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where they cannot be used, and what there is to say of them."""
    findings = list(_unknown_variables())
    try:
        given = {name: flags[name] if flags[name] is not None else variables[name] for name in VARIABLES}
        loaded = load(config, given)
    except SettingsError as error:
        return None, [*findings, failed("settings", str(error), "mend it: `msgstate serve` would not start")]
    if config is not None:
        findings.append(_file(config))
    in_file = tomllib.loads(config.read_text(encoding="utf-8")) if config is not None else {}
    for name in VARIABLES:
        value = without_password(getattr(loaded, name))
        findings.append(ok("settings", f"{name} = {value}, {_source(name, config, in_file, flags, variables)}"))
    return loaded, [*findings, *_providers(loaded)]


def _source(
    name: str,
    config: Path | None,
    in_file: Mapping[str, object],
    flags: Mapping[str, str | None],
    variables: Mapping[str, str | None],
) -> str:
    """Which of the places that say something wins, and which of them it wins over."""
    places = [
        (f"--{name.replace('_', '-')}", flags[name] is not None),
        (VARIABLES[name], variables[name] is not None),
        (str(config), name in in_file),
    ]
    first, *others = [place for place, says in places if says] or ["the default"]
    return f"from {first}" + (f", which wins over {' and '.join(others)}" if others else "")


def _file(config: Path) -> Finding:
    if config.stat().st_mode & _OTHERS_MAY_READ:
        return warning("settings", f"{config} can be read by every user of this machine", f"run: chmod o-r {config}")
    return ok("settings", str(config))


def _unknown_variables() -> Iterator[Finding]:
    for name in sorted(os.environ):
        if name.startswith("MSGSTATE_") and name not in _KNOWN and not name.startswith(_TESTS):
            known = ", ".join(sorted(_KNOWN))
            yield warning("settings", f"{name} is no variable of msgstate", f"known are {known}")


def _providers(settings: Settings) -> Iterator[Finding]:
    for name in settings.webhooks:
        if name not in PROVIDERS:
            mend = f"name one that msgstate knows: {', '.join(PROVIDERS)}"
            yield failed("webhooks", f"[webhooks.{name}] is of no provider that is known", mend)
    for name in PROVIDERS:
        yield _provider(name, settings)


def _provider(name: str, settings: Settings) -> Finding:
    own = settings.webhooks.get(name)
    sections = {} if own is None else {"": own, **own.accounts}
    kinds = [
        f"{len(values)} in {kind}" + (f" of account {account}" if account else "")
        for account, section in sections.items()
        for kind, values in (("basic", section.basic), ("secrets", section.secrets))
        if values
    ]
    if not kinds:
        mend = f"write [webhooks.{name}] with its credentials into the settings file, if it is to post"
        return warning("webhooks", f"{name} has no credentials, so its webhooks are answered with 401", mend)
    return ok("webhooks", f"{name} has {', '.join(kinds)}")
