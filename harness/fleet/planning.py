"""Make plans: ask the index what requests mean, and the archive what is known already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

from packaging.version import Version

from harness import __version__
from harness.archive.store import Forecasts, Inferences, Nights, Records
from harness.catalogs.frameworks import Catalog
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.night import Night, NightJob, Series, night_id
from harness.engines import host
from harness.errors import InputError, NotOnIndexError
from harness.fleet.footprints import Weigh
from harness.fleet.matrix import Combination
from harness.fleet.plan import UNKNOWN, Part, Plan, Planned, estimate, recorded
from harness.fleet.races import Race, key_of
from harness.job import DEFAULT_PYTHON, Job, Python, Request, Target
from harness.packages.index import File, Index
from harness.packages.release import first_python, has_wheel, pin
from harness.packages.sources import index_for
from harness.progress import Progress
from harness.stages import forecast

PYTHONS = ((3, 11), (3, 13))
"""What releases are measured with, where nobody says otherwise: the first that they have a wheel for."""


@dataclass
class Planner:
    """What plans are made with."""

    catalog: Catalog
    store: Records
    engine: str
    platform: str
    index_url: str | None
    progress: Progress
    pythons: tuple[Python, ...] = (DEFAULT_PYTHON,)
    """The usual ones where the jobs are done, best first."""
    _indexes: dict[str | None, Index] = field(default_factory=dict)

    def index(self, name: str | None) -> Index:
        if name not in self._indexes:
            self._indexes[name] = index_for(name, self.index_url)
        return self._indexes[name]

    def usual_python(self, requests: Sequence[Request], index: str | None, as_of: datetime) -> Python:
        """The first usual one that all requests have a wheel for."""

        def fits(python: Python) -> bool:
            target = Target(python, self.platform)
            return all(has_wheel(one, target, index=self.index(index), as_of=as_of) for one in requests)

        return first_python(self.pythons, fits, of=", ".join(map(str, requests)), say=self.progress.note)

    def sweep(self, combinations: Sequence[Combination], *, retry_failed: bool = False) -> Plan:
        """Every combination as a job; two that mean the same are one.

        Raises:
            InputError: there is no such framework, version, extra or variant.
            IndexUnavailableError: the index cannot be asked.
        """
        weighs: dict[str, Weigh] = {}
        for number, one in enumerate(combinations):
            self.progress.step(number, len(combinations))
            weigh = self._weigh(one)
            weighs.setdefault(weigh.job.slug, weigh)
        return self.plan(list(weighs.values()), retry_failed=retry_failed)

    def races(self, asked: Sequence[Race], *, retry_failed: bool = False) -> Plan:
        """Races; one whose every row has a record is done."""
        rows = {
            key_of(one): one.record_id
            for one in Inferences(self.store.results).all()
            if not (retry_failed and one.status == "failed")
        }
        return Plan(
            tuple(
                Planned(one, UNKNOWN, rows[one.row_keys()[0]] if all(key in rows for key in one.row_keys()) else None)
                for one in asked
            )
        )

    def plan(self, weighs: Sequence[Weigh], *, retry_failed: bool = False) -> Plan:
        """Jobs with the records they have, and what the others would download."""
        done = recorded((one.job for one in weighs), self.store, retry_failed=retry_failed)
        names = {one.job.request.name for one in weighs}
        records = [one for one in self.store.all() if one.framework in names]
        told = [one for one in Forecasts(self.store.results).all() if one.framework in names]
        return Plan(tuple(self._planned(one, done.get(one.job.slug), records, told) for one in weighs))

    def _weigh(self, one: Combination) -> Weigh:
        build = self.catalog.variant(one.request.name, one.variant)
        asked = replace(one.request, extras=tuple(sorted({*one.request.extras, *build.extras})))
        pinned = pin(
            asked,
            index=self.index(build.index),
            as_of=one.as_of,
            known=self.catalog.frameworks,
            local=build.local,
        )
        job = Job(
            request=pinned,
            target=Target(one.python or self.usual_python([pinned], build.index, one.as_of), self.platform),
            variant=one.variant,
            as_of=one.as_of,
            installer=one.installer,
            engine=self.engine,
            import_package=self.catalog.import_package(pinned.name),
        )
        return Weigh(job, build.index)

    def _planned(
        self, weigh: Weigh, record_id: str | None, records: Iterable[Record], told: Iterable[Forecast]
    ) -> Planned:
        if record_id is not None:
            return Planned(weigh, record_id=record_id)
        return Planned(weigh, estimate(weigh.job, records, told, self._own_wheel(weigh)))

    def _own_wheel(self, weigh: Weigh) -> Part | None:
        job = weigh.job
        try:
            project = self.index(weigh.index).project(job.request.name)
        except NotOnIndexError:
            return None
        own = forecast.one(project, job.request, job.target, job.variant, job.as_of, "wheel").own
        return None if own is None else (job.request.name, str(job.request.version), own.size or 0)


def midnight(now: datetime) -> datetime:
    """The midnight, UTC, with which the day began: what a night, and a sweep without a date, is as of.

    It stays the same all day, so that what was killed is finished by starting it again.
    """
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def plan_night(
    planner: Planner,
    frameworks: Sequence[str],
    pythons: Sequence[Python],
    installer: str,
    as_of: datetime,
    planned_at: datetime,
) -> Night:
    """What a night is to measure: each new release, and the newest release with the dependencies of the night.

    Args:
        frameworks: canonical names; none: the whole catalog.
        pythons: the first that a release has a wheel for is taken; none: `PYTHONS`, or what is usual there instead.

    Raises:
        IndexUnavailableError: the index cannot be asked.
    """
    names = list(frameworks or planner.catalog.frameworks)
    preferred = pythons or (PYTHONS if DEFAULT_PYTHON in planner.pythons else planner.pythons)
    since = previous(planner.store, planner.engine, installer, as_of)
    jobs: dict[str, NightJob] = {}
    unplanned: dict[str, str] = {}
    for number, name in enumerate(names):
        planner.progress.step(number, len(names))
        try:
            wanted = _wanted(planner, name, preferred, as_of, since.get(name))
        except (InputError, NotOnIndexError) as error:
            unplanned[name] = error.message
            continue
        for series, version, python, instant in wanted:
            job = Job(
                request=Request(name, version),
                target=Target(python, planner.platform),
                variant="pypi",
                as_of=instant,
                installer=installer,
                engine=planner.engine,
                import_package=planner.catalog.import_package(name),
            )
            if job.slug in jobs:  # released on the day before: both series begin here
                jobs[job.slug] = jobs[job.slug].model_copy(update={"series": (*jobs[job.slug].series, series)})
                continue
            jobs[job.slug] = NightJob(series=(series,), import_package=job.import_package, **job.fields())
    plan = planner.plan([Weigh(one.job) for one in jobs.values()])
    estimates = {one.slug: one.estimate for one in plan.jobs}
    versions = [f"{major}.{minor}" for major, minor in pythons]
    return Night(
        record_id=night_id(as_of, planner.engine, installer, frameworks, versions),
        planned_at=planned_at,
        as_of=as_of,
        since=min((since[name] for name in names if name in since), default=None),
        engine=planner.engine,
        installer=installer,
        frameworks=tuple(sorted(set(frameworks))),
        pythons=tuple(versions),
        jobs=tuple(
            one.model_copy(update={"estimated_bytes": estimates[slug].bytes, "estimated_by": estimates[slug].known_by})
            for slug, one in jobs.items()
        ),
        unplanned=unplanned,
        harness_version=__version__,
        harness_commit=host.commit(),
    )


def previous(store: Records, engine: str, installer: str, as_of: datetime) -> dict[str, datetime]:
    """Framework -> the instant of the last night before one that had it: what came since then nobody has looked at."""
    found: dict[str, datetime] = {}
    for night in Nights(store.results).all():
        if (night.engine, night.installer) == (engine, installer) and night.as_of < as_of:
            for job in night.jobs:
                found[job.framework] = max(night.as_of, found.get(job.framework, night.as_of))
    return found


def _wanted(
    planner: Planner, name: str, pythons: Sequence[Python], as_of: datetime, since: datetime | None
) -> list[tuple[Series, Version, Python, datetime]]:
    """Of one framework: series, version, Python and as-of instant of what is to be measured."""
    index = planner.index(None)
    newest = pin(Request(name), index=index, as_of=as_of, known=planner.catalog.frameworks).version
    assert newest is not None
    by_version: dict[Version, list[File]] = {}
    for file in index.project(name).before(as_of):
        if not file.version.is_prerelease and not file.yanked:
            by_version.setdefault(file.version, []).append(file)
    found: list[tuple[Series, Version, Python, datetime]] = []
    for version in sorted(by_version):
        uploads = [file.upload_time for file in by_version[version] if file.upload_time is not None]
        if (max(uploads) < since) if since is not None else version != newest:
            continue
        python, own = _python(planner, name, version, pythons, as_of)
        uploaded = own.upload_time if own is not None and own.upload_time is not None else min(uploads)
        if since is None or uploaded >= since:  # the wheel for this platform may come days after others
            found.append(("release", version, python, min(as_of, midnight(uploaded) + timedelta(days=1))))
    found.append(("night", newest, _python(planner, name, newest, pythons, as_of)[0], as_of))
    return found


def _python(
    planner: Planner, name: str, version: Version, pythons: Sequence[Python], as_of: datetime
) -> tuple[Python, File | None]:
    """The first Python that a version has a wheel for, with that wheel; the first of all where there is none."""
    project = planner.index(None).project(name)
    for python in pythons:
        target = Target(python, planner.platform)
        own = forecast.one(project, Request(name, version), target, "pypi", as_of, "wheel").own
        if own is not None:
            return python, own
    return pythons[0], None


def plan_of(night: Night, planner: Planner, *, retry_failed: bool = False) -> Plan:
    """The jobs of a night with the records they have by now."""
    return planner.plan([Weigh(one.job) for one in night.jobs], retry_failed=retry_failed)
