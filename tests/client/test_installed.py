"""What is installed where only the client is: collected in the environments of `make compat` alone."""

from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from tests.client.test_light_install import ALLOWED

TEST_LIBRARIES = {"execnet", "iniconfig", "packaging", "pluggy", "pygments", "pytest", "pytest-asyncio", "pytest-xdist"}
INSTALLERS = {"pip", "setuptools", "wheel"}


def test_a_light_install_brings_nothing_else() -> None:
    """There is no library but the client's own and what its tests need."""
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}

    assert set() == installed - {"msgstate"} - ALLOWED - TEST_LIBRARIES - INSTALLERS
