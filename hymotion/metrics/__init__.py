"""Measures of motions: quality, distance to real ones, what they show. See docs/measures.md."""

from hymotion.metrics.classifier import Accuracy, Classifier, Verdict
from hymotion.metrics.fitting import FitSettings, fit
from hymotion.metrics.frechet import Distance, Reference, halves
from hymotion.metrics.judgefile import load_classifier, save_classifier
from hymotion.metrics.labelled import Labelled, Split
from hymotion.metrics.moments import WindowSums
from hymotion.metrics.paired import PairedError, paired_error
from hymotion.metrics.quality import Quality, measure
from hymotion.metrics.referencefile import load_reference, read_reference, save_reference
from hymotion.metrics.sequence import Part, Recognition, recognise

__all__ = [
    "Accuracy",
    "Classifier",
    "Distance",
    "FitSettings",
    "Labelled",
    "PairedError",
    "Part",
    "Quality",
    "Recognition",
    "Reference",
    "Split",
    "Verdict",
    "WindowSums",
    "fit",
    "halves",
    "load_classifier",
    "load_reference",
    "measure",
    "paired_error",
    "read_reference",
    "recognise",
    "save_classifier",
    "save_reference",
]
