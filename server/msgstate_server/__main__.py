"""The entry point of the `msgstate` command, which a light install has too."""

import sys

_OURS = ("msgstate", "msgstate_server")


def main() -> None:
    """Run the command line; where one of its libraries is missing, name the extra that brings it and exit with 2."""
    try:
        from msgstate_server.cli import main as command  # noqa: PLC0415  (a light install cannot import it)

        command()
    except KeyboardInterrupt:
        # Before the command line is there to say it.
        sys.exit(130)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in _OURS:
            raise
        sys.stderr.write(
            f"msgstate: {missing.name} is not installed; install the extra `server` from where msgstate came: "
            "pip install '/path/to/msgstate[server]'\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
