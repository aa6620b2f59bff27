"""Run `hymo` as `python -m jobs`, for processes that must not depend on PATH."""

from jobs.cli.main import main

main()
