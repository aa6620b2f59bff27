"""Measures of made-up moves, made once."""

import pytest

from hymotion.evaluation.evaluate import Measures
from tests.unit.hymotion.evaluation.oracle import measures


@pytest.fixture(scope="package")
def own() -> Measures:
    return measures()
