"""The `nightmill` command. Each group of commands is one module; heavy imports happen where they are used."""

from __future__ import annotations

import sys

import typer

from flows.commands import caring, looking, running, starting, trying
from schemas.errors import ExitCode, NightmillError

app = typer.Typer(
    name="nightmill",
    help="Raw text to an evaluated language model, every night, never doing the same work twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (starting, running, looking, caring, trying):
    group.register(app)


def main() -> None:
    """Runs the command and ends with an exit code of `schemas.errors.ExitCode`; no traceback reaches the user."""
    try:
        result = app(standalone_mode=False)
    except NightmillError as error:
        _complain(str(error))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        _complain("stopped")
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        _end_with(error)
    sys.exit(result if isinstance(result, int) else 0)


def _end_with(error: Exception) -> None:
    """Ends for what is no error of ours: a usage error of the command line, or a defect."""
    if isinstance(error, typer.Exit):
        sys.exit(error.exit_code)
    if isinstance(error, typer.Abort):
        sys.exit(int(ExitCode.INTERRUPTED))
    show = getattr(error, "show", None)
    if callable(show):  # a usage error, which shows itself
        show()
        sys.exit(int(ExitCode.BAD_CONFIG))
    log = _write_traceback(error)
    _complain(f"this is a defect of Nightmill: {type(error).__name__}: {error}\n  the traceback is in {log}")
    sys.exit(int(ExitCode.INTERNAL))


def _write_traceback(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="nightmill-", suffix=".log", delete=False) as file:
        traceback.print_exception(error, file=file)
        return file.name


def _complain(text: str) -> None:
    sys.stderr.write(f"nightmill: {text}\n")


if __name__ == "__main__":
    main()
