"""Finding the engine that a URL names, and showing the URL without what is secret in it."""

import pytest

from msgstate_server.domain.errors import UnknownStore
from msgstate_server.store.opening import upkeep, without_password

SHOWN = {
    "postgresql://user:secret@host/db": "postgresql://user:***@host/db",
    "postgresql://user:sec/ret@host/db": "postgresql://user:***@host/db",
    "postgresql://user:sec@ret@host/db": "postgresql://user:***@host/db",
    "postgresql://user:sec?ret#@host/db": "postgresql://user:***@host/db",
    "postgresql://:secret@host/db": "postgresql://:***@host/db",
    "postgresql://user@of.it:secret@host/db": "postgresql://user@of.it:***@host/db",
    "postgresql:/user:secret@host/db": "postgresql:/user:***@host/db",
    "postgresql://host/db?user=u&password=secret": "postgresql://host/db?user=u&password=***",
    "postgresql://host/db?sslpassword=secret&port=1": "postgresql://host/db?sslpassword=***&port=1",
    "mysql://u:x@host/db?Passwd=secret@more": "mysql://u:***@host/db?Passwd=***",
    "postgresql://user@host:5432/db": "postgresql://user@host:5432/db",
    "sqlite:////var/lib/a:b@c.db": "sqlite:////var/lib/a:b@c.db",
    "sqlite:///msgstate.db": "sqlite:///msgstate.db",
}


@pytest.mark.parametrize("url", SHOWN)
def test_a_password_in_a_url_is_not_shown(url: str) -> None:
    """Of a store's URL everything is shown but a password."""
    assert without_password(url) == SHOWN[url]


def test_a_refusal_does_not_tell_the_password() -> None:
    """What is said of a URL that names no store has no password in it."""
    with pytest.raises(UnknownStore) as caught:
        upkeep("mysql://user:secret@host/db")

    assert str(caught.value).endswith("found 'mysql://user:***@host/db'")


@pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://msgstate.db", "sqlite:///\0", "sqlite:///a\0.db", "a.db"])
def test_what_names_no_file_is_refused(url: str) -> None:
    """A URL without a path, or with one that no system knows, is told what one looks like."""
    with pytest.raises(UnknownStore, match="must be sqlite:///FILE"):
        upkeep(url)
