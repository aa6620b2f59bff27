"""Routing of new jobs: their mode, memory class and queue, and the workers that can take them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobs.domain.batches import Artifact, NewJob
from jobs.domain.catalog import COMES_ALONG, MODES, Catalog, model_entry
from jobs.domain.routing import Demand, Offer, choose_mode, demand, fits, misfit
from jobs.domain.spec import JobSpec
from jobs.errors import WeightsMissingError
from jobs.promptfile.problem import Problem
from jobs.promptfile.survey import Asked, Reading, Survey
from jobs.rewriting.report import RewriteReport
from jobs.verbs.unfamiliar import Unfamiliar


@dataclass(frozen=True)
class Route:
    """The route of jobs with the same model, mode and length.

    Attributes:
        demand: model, mode (`auto` resolved), class and length.
        queue: the queue of the class.
        revision: revision of the model's weights in that mode.
        misfit: why no live worker can take the jobs; None if one can.
    """

    demand: Demand
    queue: str
    revision: str
    misfit: str | None


@dataclass(frozen=True)
class Routed:
    """A job with its route. `content` is the hash of its motion, `line` the line of its row."""

    spec: JobSpec
    route: Route
    content: str
    line: int

    def job(self, cached_from: int | None = None, files: tuple[Artifact, ...] = ()) -> NewJob:
        """The job to insert; already succeeded if `cached_from` is given."""
        return NewJob(
            spec=self.spec,
            mode=self.route.demand.mode,
            revision=self.route.revision,
            gib=self.route.demand.gib,
            cached_from=cached_from,
            artifacts=files,
        )


class Router:
    """Routes jobs by the offers of live and declared workers at the start of the submit.

    The offers are read once, so that rows with the same request get the same route. The revision is
    that of the weights on this machine, else that of the workers that have the weights.

    Args:
        offers: the workers' offers.
        catalog: the models installed on this machine.
    """

    def __init__(self, offers: Iterable[Offer], catalog: Catalog = COMES_ALONG) -> None:
        self.offers = tuple(offers)
        self._catalog = catalog
        self._routes: dict[Asked, Route] = {}

    def route(self, spec: JobSpec, line: int = 0) -> Routed:
        """Route one job of the row of this line; raises `WeightsMissingError`."""
        route = self.of(Asked(spec.model, spec.mode, spec.frames))
        content = spec.content_hash(route.demand.mode, route.revision)
        return Routed(spec, route, content, line)

    def of(self, asked: Asked) -> Route:
        """The route of jobs with this model, mode and length; raises `WeightsMissingError`."""
        route = self._routes.get(asked)
        if route is None:
            route = self._routes[asked] = self._decide(asked)
        return route

    def _decide(self, asked: Asked) -> Route:
        known = self._revisions(asked.model)
        mode = asked.mode
        if mode == "auto":
            mode = _choose(asked, known, self.offers)
        if mode not in known:
            raise WeightsMissingError(asked.model, mode, tuple(known))
        wanted = replace(demand(asked.model, mode, asked.frames), revision=known[mode])
        return Route(wanted, wanted.queue, known[mode], misfit(wanted, self.offers))

    def _revisions(self, model: str) -> Mapping[str, str]:
        """mode → revision, in the order of `MODES`: the installed one, else the workers'."""
        installed = self._catalog.entry(model).revisions
        return {
            mode: revision
            for mode in MODES
            if (revision := self._revision(model, mode, installed.get(mode))) is not None
        }

    def _revision(self, model: str, mode: str, installed: str | None) -> str | None:
        offered = self._offered(model, mode)
        # Workers that quantise the same encoder make different motions, so their revision counts.
        quantised = offered is not None and offered.startswith(f"{installed}+")
        return offered if installed is None or quantised else installed

    def _offered(self, model: str, mode: str) -> str | None:
        """The revision that most workers have; live workers take precedence over declared ones."""
        votes = Counter(
            (not offer.declared, revision)
            for offer in self.offers
            if (revision := offer.revisions.get(model, {}).get(mode)) is not None
        )
        if not votes:
            return None
        return max(votes, key=lambda vote: (vote[0], votes[vote], vote[1]))[1]


def _choose(asked: Asked, known: Mapping[str, str], offers: Sequence[Offer]) -> str:
    """Resolve `auto` among the modes whose weights are available."""
    if not known:
        raise WeightsMissingError(asked.model, asked.mode, ())
    if len(known) == 1:
        return next(iter(known))
    return choose_mode(asked.model, asked.frames, offers)


@dataclass(frozen=True)
class PlannedClass:
    """The planned jobs of one queue and model.

    Attributes:
        jobs: number of jobs.
        frames: shortest and longest length.
        workers: names of the live or declared workers that can take at least one of the jobs.
        misfits: reason why no live worker can take a job → number of such jobs.
    """

    queue: str
    model: str
    jobs: int
    frames: tuple[int, int]
    workers: tuple[str, ...]
    misfits: dict[str, int]


@dataclass(frozen=True)
class SubmitPlan:
    """The jobs that a file asks for, those included that the batch already has.

    Attributes:
        batch: name of the batch.
        rows, invalid: numbers of valid and invalid rows.
        jobs: number of jobs of the valid rows.
        new: number of those that the batch does not have yet.
        classes: the jobs by queue and model.
        auto: mode → number of jobs with mode `auto` that would get it.
        manned: whether any worker is live, declared or about to start.
        metadata: the columns kept as metadata.
        untrained: the file's models that are test engines.
        unfamiliar: what the prompts ask for that their model has not seen in training.
        problems: the first problems of the invalid rows.
        rewrites: the outcome of rewriting with cached answers; None if no rewriter was asked.
        reading: what was recognised of the file.
    """

    batch: str
    rows: int
    jobs: int
    invalid: int
    classes: tuple[PlannedClass, ...]
    auto: dict[str, int]
    manned: bool
    metadata: tuple[str, ...]
    untrained: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...]
    problems: tuple[Problem, ...]
    rewrites: RewriteReport | None = None
    reading: Reading = field(default_factory=Reading)
    new: int = 0


def planned(
    batch: str, found: Survey, offers: Sequence[Offer], catalog: Catalog = COMES_ALONG
) -> SubmitPlan:
    """The plan of a surveyed file for a new batch; raises `WeightsMissingError`."""
    router = Router(offers, catalog)
    groups: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    auto: Counter[str] = Counter()
    for asked, count in found.asked.items():
        route = router.of(asked)
        groups[route.queue, asked.model].append(asked)
        if asked.mode == "auto":
            auto[route.demand.mode] += count
    return SubmitPlan(
        batch=batch,
        rows=found.rows,
        jobs=found.jobs,
        invalid=found.invalid,
        classes=tuple(
            _planned_class(queue, model, group, found, router)
            for (queue, model), group in sorted(groups.items())
        ),
        auto=dict(auto),
        manned=bool(router.offers),
        metadata=found.metadata,
        untrained=untrained(found),
        unfamiliar=found.unfamiliar,
        problems=found.problems,
        reading=found.reading,
        new=found.jobs,
    )


def untrained(found: Survey) -> tuple[str, ...]:
    """The file's models that are test engines, whose output is not a real motion."""
    models = sorted({asked.model for asked in found.asked})
    return tuple(model for model in models if not model_entry(model).trained)


def _planned_class(
    queue: str, model: str, group: Sequence[Asked], found: Survey, router: Router
) -> PlannedClass:
    misfits: Counter[str] = Counter()
    for asked in group:
        if reason := router.of(asked).misfit:
            misfits[reason] += found.asked[asked]
    lengths = [asked.frames for asked in group]
    return PlannedClass(
        queue=queue,
        model=model,
        jobs=sum(found.asked[asked] for asked in group),
        frames=(min(lengths), max(lengths)),
        workers=tuple(
            offer.name
            for offer in router.offers
            if any(fits(router.of(asked).demand, offer) for asked in group)
        ),
        misfits=dict(misfits),
    )
