"""One command of `disbench`, run in the process of the test."""

from disbench.bench.cli import main


def run(capsys, *arguments):
    """Exit status, standard output and standard error."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err
