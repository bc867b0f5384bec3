"""The providers whose webhooks are understood, one module each, made of tables."""

from typing import Final

from msgstate_server.webhooks.providers.cloudmailin import CLOUDMAILIN
from msgstate_server.webhooks.providers.emailit import EMAILIT
from msgstate_server.webhooks.providers.reading import Provider

PROVIDERS: Final[dict[str, Provider]] = {provider.name: provider for provider in (CLOUDMAILIN, EMAILIT)}
"""Every provider, by the name it has in the webhook's URL and in its events."""
