"""`msgstate doctor`: what stands between this machine and a running service."""

from msgstate_server.cli.doctor.command import command

__all__ = ["command"]
