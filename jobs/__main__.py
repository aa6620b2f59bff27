"""`python -m jobs` is `hymo`, for processes that must not depend on PATH."""

from jobs.cli.main import main

main()
