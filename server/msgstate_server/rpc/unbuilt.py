"""What an rpc of the contract answers before it is built."""

from typing import NoReturn

import grpc

from msgstate_server.rpc.context import Context


async def unbuilt(context: Context) -> NoReturn:
    """End the call with UNIMPLEMENTED; without it, the generated default would run in a thread."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server does not have this method yet")
