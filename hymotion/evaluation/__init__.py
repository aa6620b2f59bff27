"""The standard evaluation of a model, and measures of existing motions. See docs/measures.md."""

from hymotion.evaluation.evaluate import Options, evaluate
from hymotion.evaluation.plan import Trial
from hymotion.evaluation.report import ActionScore, PairScore, Report

__all__ = ["ActionScore", "Options", "PairScore", "Report", "Trial", "evaluate"]
