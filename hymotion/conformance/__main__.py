"""`python -m hymotion.conformance`: compare an installation with golden fixtures."""

from __future__ import annotations

import sys

from hymotion.conformance.check import main

sys.exit(main())
