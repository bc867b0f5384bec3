"""The command itself: start, play, show, tell what to try, serve on, stop."""

import asyncio
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import click
import grpc

from msgstate_server.app import CannotStart, Service
from msgstate_server.cli import status as status_command
from msgstate_server.cli.demo import play
from msgstate_server.cli.demo.next_steps import commands
from msgstate_server.cli.demo.posting import Secrets, post
from msgstate_server.cli.demo.timeline import Timeline
from msgstate_server.cli.group import Failed
from msgstate_server.cli.options import examples
from msgstate_server.cli.stopping import stop_on_signals
from msgstate_server.cli.text import printable, shortened, state_name
from msgstate_server.settings import Settings, load, split_address
from msgstate_server.telemetry import configure_logging

_MESSAGE_WIDTH: Final = 15


@click.command("demo", epilog=examples("msgstate demo", "msgstate demo --once --pace 0"))
@click.option("--once", is_flag=True, help="End after the play, and remove the store.")
@click.option("--pace", type=click.FloatRange(min=0), default=1.1, show_default=True, metavar="SECONDS",
              help="The pause after each webhook.")  # fmt: skip
def command(once: bool, pace: float) -> None:
    """See it work: a server, two providers' webhooks and a watcher.

    Everything runs in this process, over real ports and on a fresh store in a temporary folder. After the play it goes
    on serving until Ctrl-C.
    """
    configure_logging(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="msgstate-demo-"))
    kept = False
    try:
        asyncio.run(_demo(folder, once, pace))
        kept = not once
    except CannotStart as error:
        raise Failed(str(error)) from error
    finally:
        if kept:
            click.echo(f"\nStopped. The store stays in {folder}; remove the folder when you are done.")
        else:
            shutil.rmtree(folder)


async def _demo(folder: Path, once: bool, pace: float) -> None:
    with stop_on_signals() as stop:
        await _play_and_serve(folder, once, pace, stop)


async def _play_and_serve(folder: Path, once: bool, pace: float, stop: asyncio.Event) -> None:
    known = Secrets.make()
    async with _serving(folder, known) as (service, settings):
        _introduce(service, settings)
        async with grpc.aio.insecure_channel(service.grpc_address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            timeline = Timeline(channel)
            following = asyncio.create_task(timeline.follow())
            showing = asyncio.create_task(_show(timeline, service, settings, known, pace, once))
            tasks = {following, showing, asyncio.create_task(service.run(stop))}
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            for task in done:
                task.result()


@asynccontextmanager
async def _serving(folder: Path, known: Secrets) -> AsyncIterator[tuple[Service, Settings]]:
    """A service on the default ports, or on free ones where they are taken."""
    service, settings = await _start(folder, known)
    try:
        yield service, settings
    finally:
        await service.stop()


async def _start(folder: Path, known: Secrets) -> tuple[Service, Settings]:
    default = _usual()
    preferred = (_free("grpc", default.grpc), _free("http", default.http))
    try:
        return await _start_at(*preferred, folder, known)
    except CannotStart:
        # Something took a port since it was seen free.
        return await _start_at("127.0.0.1:0", "127.0.0.1:0", folder, known)


async def _start_at(grpc_address: str, http_address: str, folder: Path, known: Secrets) -> tuple[Service, Settings]:
    store = f"sqlite:///{folder}/msgstate.db"
    settings = Settings(store=store, grpc=grpc_address, http=http_address, webhooks=known.settings())
    service = Service(settings)
    await service.start()
    return service, settings


def _free(name: str, address: str) -> str:
    """The address, or one with a port that the system chooses where something else listens."""
    host, port = split_address(name, address)
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return f"{host}:0"
    return address


def _usual() -> Settings:
    """The addresses that `serve` would listen on: the defaults, or what the variables say."""
    return load(None, {name: os.environ.get(f"MSGSTATE_{name.upper()}") for name in ("grpc", "http")})


def _introduce(service: Service, settings: Settings) -> None:
    default = _usual()
    click.secho("msgstate demo", bold=True)
    for name, address, usual in (
        ("gRPC", service.grpc_address, default.grpc),
        ("webhooks", service.http_address, default.http),
    ):
        click.echo(f"  {name:<9} {address}" + (f"   ({usual} is in use)" if address != usual else ""))
    click.echo(f"  {'store':<9} {settings.store}")


async def _show(  # noqa: PLR0913, PLR0917
    timeline: Timeline, service: Service, settings: Settings, known: Secrets, pace: float, once: bool
) -> None:
    """The whole show, which ends by itself only where it is to be shown once."""
    for scene in play.scenes():
        _heading(scene.title)
        for step in scene.steps:
            await _play(step, timeline, service.http_address, known)
            await asyncio.sleep(pace)
    _heading("What became of some of them")
    for message_id in (play.ORDER, play.RECEIPT, play.NEWSLETTER):
        status_command.show(await timeline.status(message_id, ""))
        click.echo()
    if once:
        return
    _heading("Commands to try next, in another terminal")
    for line in commands(service.grpc_address, service.http_address, settings.store, known.basic):
        click.echo(click.style(line, dim=True) if line.startswith("  #") else line)
    click.echo("\nServing until Ctrl-C.")
    await asyncio.Event().wait()


async def _play(step: play.Step, timeline: Timeline, address: str, known: Secrets) -> None:
    before = timeline.count(step.message_id)
    async with timeline.held:
        answer = await asyncio.to_thread(post, address, step.provider, step.body, known)
        if step.note:
            click.secho(f"  # {step.note}", italic=True)
        message = shortened(step.message_id, _MESSAGE_WIDTH)
        click.secho(f"  {step.provider:<11}  {message:<{_MESSAGE_WIDTH}}  {step.what:<22}  {answer}", fg="blue")
    if not step.message_id:
        return
    await timeline.caught_up(step.message_id)
    if timeline.count(step.message_id) == before:
        status = await timeline.status(step.message_id, step.recipient)
        click.secho(f"    {printable(step.recipient)} stays {state_name(status.state)}", dim=True)


def _heading(title: str) -> None:
    click.secho(f"\n{title}\n", bold=True, underline=True)
