"""How long things are kept: what may be written, and what is refused with the mend."""

from pathlib import Path

import pytest

from msgstate_server.settings import Settings, SettingsError, is_exposed, load, read_period

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("90d", 90 * DAY), ("36h", 36 * DAY // 24), ("30m", 1_800_000_000), ("1s", 1_000_000), ("forever", None)],
)
def test_a_period(text: str, microseconds: int | None) -> None:
    """A number and its unit, or no end."""
    assert read_period("log_retention", text) == microseconds


@pytest.mark.parametrize("text", ["", "d", "90", "0d", "-1d", "1.5d", "90 d", "90D", "1w", "1000000d", "Forever", "٩d"])
def test_a_period_that_is_none(text: str) -> None:
    """Whatever else is written is refused, with the setting, the mend and what was found."""
    with pytest.raises(SettingsError, match=r"^log_retention: must be a number of days.* or forever; found '.*'$"):
        load(None, {"log_retention": text})


def test_an_age_of_connections_that_is_none() -> None:
    """It is a period like the others."""
    assert load(None, {"connection_age": "forever"}).connection_age == "forever"
    with pytest.raises(SettingsError, match=r"^connection_age: must be a number of days.*; found 'old'$"):
        load(None, {"connection_age": "old"})


def test_defaults() -> None:
    """The defaults keep the log for 90 days, statuses for 400 and bodies for 30, and connections for half an hour."""
    settings = load(None, {})
    assert (settings.log_retention, settings.status_retention, settings.payload_retention) == ("90d", "400d", "30d")
    assert settings.connection_age == "30m"


@pytest.mark.parametrize(
    ("log", "status", "mend"),
    [
        ("6d", "400d", r"^log_retention: must be at least 7d, .*; found '6d'$"),
        ("167h", "400d", r"^log_retention: must be at least 7d, .*; found '167h'$"),
        ("90d", "89d", r"^status_retention: must not be shorter than log_retention \(90d\): .*; found '89d'$"),
        ("forever", "400d", r"^status_retention: must not be shorter than log_retention \(forever\): .*"),
    ],
)
def test_periods_that_do_not_fit(log: str, status: str, mend: str) -> None:
    """A log kept so short that repeats would count twice is refused, and so are statuses kept less long than it."""
    with pytest.raises(SettingsError, match=mend):
        load(None, {"log_retention": log, "status_retention": status})


@pytest.mark.parametrize(
    ("log", "status"), [("7d", "7d"), ("168h", "forever"), ("forever", "forever"), ("90d", "2160h")]
)
def test_periods_that_fit(log: str, status: str) -> None:
    """The shortest, equal ones, and no end at all are taken."""
    settings = load(None, {"log_retention": log, "status_retention": status, "payload_retention": "1h"})
    assert (settings.log_retention, settings.status_retention) == (log, status)


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    """The keys stand in the file beside the others."""
    config = tmp_path / "msgstate.toml"
    config.write_text('log_retention = "30d"\npayload_retention = "2d"\n')
    settings = load(config, {"log_retention": "60d", "payload_retention": None})
    assert settings == Settings(log_retention="60d", payload_retention="2d")


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("127.0.0.1:1", False),
        ("127.8.8.8:1", False),
        ("[::1]:1", False),
        ("localhost:1", False),
        ("0.0.0.0:1", True),
        ("[::]:1", True),
        ("10.0.0.1:1", True),
        ("msgstate.internal:1", True),
    ],
)
def test_addresses_that_others_reach(address: str, exposed: bool) -> None:
    """Only loopback addresses are for this machine alone; a host name may be anything."""
    assert is_exposed(address) is exposed


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('gprc = "127.0.0.1:1"', "; did you mean `grpc`?"),
        ("[webhooks.emailit]\nsecret = []", "; did you mean `secrets`?"),
        ("[webhooks.emailit.accounts.shop]\nbasics = []", "; did you mean `basic`?"),
        ("frobnicate = 1", ""),
    ],
)
def test_a_misspelled_key_is_told_which_one_was_meant(tmp_path: Path, written: str, meant: str) -> None:
    """A key that is close to a known one is named with it; another one is only refused."""
    file = tmp_path / "msgstate.toml"
    file.write_text(written)
    with pytest.raises(SettingsError) as raised:
        load(file, {})
    assert str(raised.value).partition("; did")[1:] == ((meant[:5], meant[5:]) if meant else ("", ""))
