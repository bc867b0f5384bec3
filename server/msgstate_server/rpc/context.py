"""The type of a call's context. The alias exists at run time, unlike the subscripted class."""

from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
