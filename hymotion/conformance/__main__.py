"""`python -m hymotion.conformance`: hold an installation against golden fixtures."""

from __future__ import annotations

import sys

from hymotion.conformance.check import main

sys.exit(main())
