"""Importing the published model: from what a user downloaded to a folder that loads fast."""

from hymotion.importing.importer import Imported, Importer
from hymotion.importing.plan import ImportPlan, Wanted
from hymotion.importing.release import HY_MOTION, Release

__all__ = ["HY_MOTION", "ImportPlan", "Imported", "Importer", "Release", "Wanted"]
