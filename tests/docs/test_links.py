import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name, prose

LOCAL = [(page, link) for page in PAGES for link in links(page) if "://" not in link]


@pytest.mark.parametrize(("page", "link"), LOCAL, ids=[f"{name(page)}-{link}" for page, link in LOCAL])
def test_every_link_leads_somewhere(page: Path, link: str) -> None:
    """Each link within the project names a file or folder that is there, and a heading of it."""
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page

    assert target.exists()
    assert target.is_relative_to(ROOT)
    if heading:
        assert heading in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_two_headings_of_a_page_have_one_address(page: Path) -> None:
    """Every heading can be linked to."""
    found = anchors(page)

    assert sorted(set(found)) == sorted(found)


def test_every_page_can_be_reached_from_the_readme() -> None:
    """Each page of docs/ is linked from the README."""
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}

    assert {name(page) for page in PAGES} - {"README.md"} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_pages_speak_of_the_project_alone(page: Path) -> None:
    """No page tells how it came about, or of work that is still to be done."""
    assert re.findall(r"\b(?:TODO|FIXME|TBD|WIP|issue #?\d+|coming soon)\b", prose(page), re.IGNORECASE) == []
