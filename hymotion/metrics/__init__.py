"""Measures of motions: quality, distance to real ones, what they show. See docs/measures.md."""

from hymotion.metrics.baseline import Baseline, load_baseline
from hymotion.metrics.classifier import Accuracy, Classifier, Verdict
from hymotion.metrics.fitting import FitSettings, fit
from hymotion.metrics.frechet import Distance, Reference, halves
from hymotion.metrics.judgefile import load_classifier, load_judge, save_classifier
from hymotion.metrics.labelled import Labelled, Split
from hymotion.metrics.moments import WindowSums
from hymotion.metrics.paired import PairedError, paired_error
from hymotion.metrics.quality import Quality, measure
from hymotion.metrics.referencefile import load_reference, read_reference, save_reference
from hymotion.metrics.sequence import Recognition, Span, recognise

__all__ = [
    "Accuracy",
    "Baseline",
    "Classifier",
    "Distance",
    "FitSettings",
    "Labelled",
    "PairedError",
    "Quality",
    "Recognition",
    "Reference",
    "Span",
    "Split",
    "Verdict",
    "WindowSums",
    "fit",
    "halves",
    "load_baseline",
    "load_classifier",
    "load_judge",
    "load_reference",
    "measure",
    "paired_error",
    "read_reference",
    "recognise",
    "save_classifier",
    "save_reference",
]
