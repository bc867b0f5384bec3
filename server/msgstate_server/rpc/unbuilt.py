"""What an rpc of the contract answers before it is built."""

from typing import NoReturn

from msgstate_server.domain.errors import NotBuilt
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.errors import abort


async def unbuilt(context: Context) -> NoReturn:
    """End the call with UNIMPLEMENTED; without it, the generated default would run in a thread."""
    await abort(context, NotBuilt("this server does not have this method yet"))
