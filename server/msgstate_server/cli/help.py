"""`msgstate help`."""

import click

from msgstate_server.cli.options import examples


@click.command("help", epilog=examples("msgstate help", "msgstate help status", "msgstate help quarantine replay"))
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show what a command does and takes.

    Without COMMAND, shows all commands.
    """
    assert ctx.parent is not None  # noqa: S101  (it is a command of the group)
    context = ctx.parent
    for name in names:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"{context.command_path} has no commands of its own.", context)
        _, found, _ = group.resolve_command(context, [name])
        assert found is not None  # noqa: S101  (one that is not there was refused)
        context = click.Context(found, info_name=name, parent=context)
    click.echo(context.get_help())
