"""The Python face: train, audit, check, read and write, on plain data frames or files.

Everything that the command line does is a call of this module.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from pydantic import JsonValue, ValidationError

from genaudit import validity
from genaudit.atomic import check_apart, check_file, write_text
from genaudit.audits import check_metrics
from genaudit.case import AuditCase, Knowledge, Split
from genaudit.compliance import context as contexts
from genaudit.compliance.controls import readings
from genaudit.data import bundled
from genaudit.data.canaries import Canaries, beside
from genaudit.data.dataset import Dataset, check_draft, learn, widen
from genaudit.data.disclosure import lifted
from genaudit.data.frame import draft_schema, flat
from genaudit.data.overlap import check_disjoint, row_hashes
from genaudit.data.record import frozen
from genaudit.data.schema import MAX_ALPHABET, Kind, Role, Schema
from genaudit.errors import DataError, GenauditWarning, OptionError, check_seed, complaint
from genaudit.evidence import diff as differences
from genaudit.evidence.diff import Difference
from genaudit.ledger import UNDECLARED, Mark, PrivacyLedger, Scope, Touch, TouchKind
from genaudit.mitigation import record as records
from genaudit.mitigation.history import repeats, weighted
from genaudit.mitigation.method import Mitigation
from genaudit.mitigation.outcome import Mitigated, unweighted
from genaudit.mitigation.record import MitigationRecord
from genaudit.modalities import files
from genaudit.plan import AuditPlan
from genaudit.policy import PROMISED, Policy, content
from genaudit.reading import path_of, read_bytes, read_text, read_toml
from genaudit.registration import check_report, check_same, register, standing, wears_bundled_name
from genaudit.render import form, html, json
from genaudit.render.compare import compare
from genaudit.render.forms import FORMS
from genaudit.render.notebook import fragment
from genaudit.result import AuditReport, Claim, Message, Registration, message
from genaudit.run import Progress, judge, run
from genaudit.subject import Access, Subject
from genaudit.subjects.files import contents
from genaudit.subjects.resolve import as_model, parse_claim, resolve, resolve_recipe, sample_frames
from genaudit.subjects.wrapped import imported

if TYPE_CHECKING:
    from genaudit.calibration import Calibration
    from genaudit.evidence.bundle import Bundled
    from genaudit.subjects.checkpoint import Opened
    from genaudit.training.dp.selfcheck.outcome import SelfcheckReport
    from genaudit.training.fit import Trained
    from genaudit.training.world import World

Table: TypeAlias = pd.DataFrame | str | Path


def train(
    data: Table,
    schema: Schema | str | Path | None = None,
    *,
    model: str = "cgan",
    epsilon: float | None = None,
    delta: float | None = None,
    ledger: PrivacyLedger | str | Path | None = None,
    dataset_id: str | None = None,
    budget_total: float | None = None,
    artefact: str = "model",
    checkpoint: str | Path | None = None,
    canaries: int | None = None,
    progress: Any = None,
    **options: Any,
) -> Trained:
    """Train a generator on a table; with `epsilon` and `delta` under differential privacy.

    Args:
        data: a data frame, a file (CSV, Parquet, JSONL, NPZ) or the name of a bundled data set.
        schema: what is public about it; without one a draft is made by looking at the data, which a
            private run refuses.
        model: `gan`, `vae` or `cgan`.
        epsilon: the whole budget for one record (or person); None = plain training.
        delta: well under 1/n; goes with epsilon.
        ledger: where touches are written; the user's own by default.
        dataset_id: name of the data in the ledger; the schema's id by default.
        budget_total: refuse if this and all earlier releases of the data set exceed this ε; it
            needs a name for that, by its schema's id or `dataset_id`.
        artefact: what the ledger calls the release.
        checkpoint: a folder to go on from with `resume` if training is stopped.
        canaries: put so many made-up rows among the records, each by a coin of its own; rows and
            coins go to a private file (`coins_of`), which `audit` takes.
        progress: called with a `genaudit.training.fit.Update` while training.
        options: fields of `genaudit.training.recipe.Recipe` (preset, seed, condition, steps, ...).

    Raises:
        DataError, SchemaError, OptionError, BudgetError: one sentence on what is not usable.
        DivergenceError: numbers of the training are no longer finite; it names a rate to lower.
    """
    from genaudit.training.fit import fit
    from genaudit.training.recipe import Recipe, check_budget_total
    from genaudit.training.world import World

    if "family" in options:
        raise OptionError("Expected the family of generators as model='cgan', got family=...")
    recipe = Recipe.of(family=model, epsilon=epsilon, delta=delta, **options)
    place = None if checkpoint is None else path_of(checkpoint, "a checkpoint folder")
    public = _public(schema, data)
    check_budget_total(budget_total, _declared_id(public, dataset_id))
    book, world = _ledger(ledger), World.of_environment()
    checked, name = _checked_together(
        data, public, dataset_id, book, world, private=epsilon is not None
    )
    coins = None
    if canaries is not None:
        if world.size > 1:
            raise OptionError("Expected one process with canaries, got several; leave them out.")
        planted = _tossed(canaries, checked, recipe)
        coins = planted.write(coins_of(book, artefact, place))
        checked = planted.plant(checked, private=recipe.private)
    try:
        return fit(
            recipe,
            checked,
            ledger=book,
            dataset_id=name,
            artefact=artefact,
            budget_total=budget_total,
            checkpoint=place,
            progress=progress,
            world=world,
        )
    except BaseException:
        # Coins of what was never trained would stand in the way of the next attempt.
        if coins is not None and not (place is not None and place.exists()):
            coins.unlink(missing_ok=True)
        raise


def resume(
    data: Table,
    checkpoint: str | Path,
    *,
    ledger: PrivacyLedger | str | Path | None = None,
    budget_total: float | None = None,
    progress: Any = None,
) -> Trained:
    """Go on with a training that was stopped, with the steps that the ledger leaves it.

    What was charged counts whether its steps were taken or not, so a private training never exceeds
    its ε; a warning says how many steps were lost. A plain one makes the model that it would have
    made.

    Args:
        data: the records that it was trained on.
        checkpoint: the folder that `train` wrote; what follows is kept there too.
        ledger: the ledger that it was charged to; the user's own by default.
        budget_total: as in `train`.
        progress: called with a `genaudit.training.fit.Update` while training.

    Raises:
        IntegrityError: the checkpoint was altered, or the ledger is another one or was rolled back.
        DataError: the checkpoint is unusable, or of other records.
        OptionError, BudgetError, DivergenceError: as in `train`.
    """
    from genaudit.training import checkpoint as checkpoints
    from genaudit.training import fit
    from genaudit.training.recipe import check_budget_total
    from genaudit.training.world import World

    place = path_of(checkpoint, "a checkpoint folder")
    found, book, world = checkpoints.read(place), _ledger(ledger), World.of_environment()
    check_budget_total(budget_total, found.info.dataset)
    if world.leads:
        book.verify(found.info.mark)
    checked, _ = _checked_together(
        data, _public(_unplanted(found.declared, place), data), found.info.dataset, book, world,
        private=found.info.recipe.private,
    )  # fmt: skip
    if (coins := beside(place)).exists():
        checked = Canaries.read(coins).plant(checked, private=found.info.recipe.private)
    return fit.resume(
        found, place, checked, ledger=book, budget_total=budget_total, progress=progress,
        world=world,
    )  # fmt: skip


def coins_of(
    ledger: PrivacyLedger | str | Path | None, artefact: str, checkpoint: str | Path | None = None
) -> Path:
    """Where `train` leaves canaries with their coins: beside the checkpoint, else the ledger."""
    if checkpoint is not None:
        return beside(path_of(checkpoint, "a checkpoint folder"))
    return beside(_ledger(ledger).path.with_name(artefact))


def _tossed(n: int, data: Dataset, recipe: Any) -> Canaries:
    """Canaries for a training: of one without privacy they follow from its seed, and look at rows.

    Under differential privacy they are made of the schema alone, by chance that nobody can repeat.
    """
    if not recipe.private:
        return Canaries.tossed(data.schema, n, np.random.default_rng([recipe.seed, 0xCA]), data)
    return Canaries.tossed(data.schema, n, np.random.default_rng(secrets.randbits(256)))


def _unplanted(schema: Schema, checkpoint: Path) -> Schema:
    """The schema that the records without canaries had, whose number it may declare."""
    coins = beside(checkpoint)
    if not isinstance(schema.rows, int) or not coins.exists():
        return schema
    return schema.replace(rows=schema.rows - len(Canaries.read(coins)))


def load(folder: str | Path) -> Trained:
    """The generator in a model folder.

    Raises:
        DataError: the folder is absent, cut short or foreign.
        IntegrityError: a file differs from its own digest.
    """
    from genaudit.models.store import load as load_model

    return load_model(path_of(folder, "a model folder"))


def audit(
    subject: Any,
    *,
    train: Table | None = None,
    holdout: Table | None = None,
    auxiliary: Table | None = None,
    canaries: str | Path | None = None,
    schema: Schema | str | Path | None = None,
    policy: Policy | str | Path | None = None,
    plan: AuditPlan | str | Path = "standard",
    claim: Claim | str | None = None,
    split: Split | str | None = None,
    one_recipe: bool = False,
    context: Mapping[str, JsonValue] | None = None,
    checkpoint: str | Path | None = None,
    ledger: PrivacyLedger | str | Path | None = None,
    dataset_id: str | None = None,
    seed: int = 0,
    command: str = "",
    strict: bool = False,
    show_private: bool = False,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit a generator, or a file or frame of its samples.

    Args:
        subject: a trained model, a model folder, samples (data frame, file or several files), a
            callable `make(n, seed)`, its `module:name`, or a `Subject`.
        train: the rows that the generator was trained on (members).
        holdout: rows of the same population that it never saw (non-members).
        auxiliary: further such rows that calibrate attacks; without them the holdout is halved.
        canaries: the private file of `train(..., canaries=N)`, rows with their coins.
        schema: what is public; the model's own or a draft by default.
        policy: limits; the bundled default without one.
        plan: `quick`, `standard`, `full`, or a plan file.
        claim: what the maker promises, such as `"epsilon=3,delta=1e-6,unit=person"`.
        split: `random` where train and holdout are a random split of one table, `coin` where a fair
            coin of its own made each row a member; matches then bound ε from below. Your word for
            it is printed in the report.
        one_recipe: the subject is a list of at least three samples (files or frames), each of
            another training of one recipe; shares and label gaps of groups are then judged for the
            recipe, by the spread of its trainings, and all else on their samples together.
        context: what only the operator knows, for the report (`read_context`).
        checkpoint: the folder that `train` wrote beside the model; attacks then see all networks.
        ledger: where the audit's own reads are written; the user's own by default.
        dataset_id: name of the training data in the ledger; the schema's id by default.
        seed: of everything that is drawn, at least 0; the same files and seed give the same report.
        command: what the report prints as the command that reproduces it.
        progress: called with audit, number done, number of all.
        strict: raise where an audit fails, instead of reporting it as failed.
        show_private: show counts of a few people too, for readers who may see the data; the report
            says so and is no release.

    Raises:
        DataError, SchemaError, OptionError, IntegrityError: one sentence on what is not usable.
    """
    check_seed(seed)
    declared = contexts.checked(context)
    if (until := validity.expired(declared, today())) is not None:
        raise OptionError(
            f"Expected a report that is valid until {today().isoformat()} at least, got {until}; "
            "correct valid_until in the context, or leave it out."
        )
    planted = None if canaries is None else Canaries.read(path_of(canaries, "a file of canaries"))
    chosen_policy = read_policy(policy)
    chosen_plan = plan if isinstance(plan, AuditPlan) else AuditPlan.read(_file(plan, "plan"))
    claimed, dealt = parse_claim(claim), _split(split)
    model = None if one_recipe else as_model(subject)
    opened = _opened(checkpoint, model)
    own: Schema | None = getattr(model or opened, "schema", None)
    public = (
        own if own is not None and schema is None else _public(schema, train, holdout, auxiliary)
    )
    book = _ledger(ledger)
    made_at = getattr(model, "ledger", None)
    if isinstance(made_at, Mark):
        book.check_lineage(made_at, getattr(model, "touches", ()))
    tables = {Knowledge.TRAIN: train, Knowledge.HOLDOUT: holdout, Knowledge.AUXILIARY: auxiliary}
    raws, touches = {}, []
    for knowledge, table in tables.items():
        if table is not None:
            look = _Look(
                book, public, dataset_id, purpose=f"audit reads {knowledge}", knowledge=knowledge
            )
            raws[knowledge], touch = look.at(table, knowledge.value)
            touches.append(touch)
    if public is None:
        schema = _draft(list(raws.values()) or sample_frames(subject))
        for knowledge, raw in raws.items():
            check_draft(schema, raw, knowledge.value)
    elif schema is None and own is not None and own.origin != "declared":
        # A schema made from the training data alone is too narrow for the auditor's other rows.
        schema = widen(own, *raws.values())
    else:
        schema = public
    if schema.undeclared and schema.origin == "declared" and raws:
        schema = learn(schema, *raws.values())
    if opened is not None:
        _check_rows(opened, raws.get(Knowledge.TRAIN), book, planted)
    data = {k: Dataset.of(raw, schema, k.value) for k, raw in raws.items()}
    _check_overlaps(data)
    who = (
        resolve_recipe(subject, schema, claimed)
        if one_recipe
        else resolve(subject, model, schema, claimed)
    )
    if opened is not None:
        who = opened.join(who, schema)
    known = {} if planted is None else {Knowledge.CANARIES: planted.checked(schema)}
    case = AuditCase(
        who, {**data, **known}, seed=seed, n_samples=chosen_plan.n_samples,
        coins=None if planted is None else planted.included, split=dealt,
    )  # fmt: skip
    if who.draw is not None:
        _ = case.samples  # drawn before any audit asks: a generator that fails is one error
    judged = _subject_read(book, case, touches)
    with lifted(lift=show_private):
        report = run(
            case,
            chosen_plan,
            chosen_policy,
            context=declared,
            command=command,
            audit_touches=touches,
            remarks=_remarks(public is None, who),
            strict=strict,
            progress=progress,
        )
    return report.model_copy(
        update={
            "sections": (*report.sections, *who.sections),
            "registration": standing(chosen_policy, book, judged),
        }
    )


def _subject_read(book: PrivacyLedger, case: AuditCase, touches: Sequence[Touch]) -> list[Touch]:
    """The touches of this audit, and those of its subject; nothing where it may be no new one.

    By it a policy that is registered after a first look at a subject is told from one before, so
    that it is written where nothing else is too. Only where that has no place for a ledger, and no
    private data were read, does the audit go on without.
    """
    who = case.subject
    # Its rows as well: the same in another format or order, or beside others, are no new ones.
    nameless = who.digest is None and Access.SAMPLES in who.access
    rows = contents([case.samples]) if nameless and not who.contents else who.contents
    read = [("the subject", who.digest)] if who.digest is not None else []
    read += [("rows of the subject", digest) for digest in rows]
    try:
        looked = [
            book.append(Touch(
                dataset=f"subject:{who.name}", kind=TouchKind.PUBLIC, scope=Scope.AUDIT,
                purpose=f"audit reads {what}", digest=book.content_digest(digest.encode()),
            )).touch
            for what, digest in read
        ]  # fmt: skip
        # A sampler in code may make other rows each time, so that these do not make it new.
        known = touches or who.digest is not None or who.draw is None
        return [*touches, *looked] if known else []
    except OptionError:
        if touches or book.exists():
            raise
        return []


def _split(split: Split | str | None) -> Split | None:
    """How chance decided who is a member; None where nobody says that it did."""
    if split is None:
        return None
    if isinstance(split, str) and split in tuple(Split):
        return Split(split)
    raise OptionError(
        f"Expected split as {' or '.join(Split)}, got {split!r}; leave it out where train and "
        "holdout were not told apart by chance."
    )


def mitigate(
    subject: Any,
    how: Mitigation | str,
    *,
    schema: Schema | str | Path | None = None,
    n: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    **options: Any,
) -> Mitigated:
    """Samples in which groups are more alike; generated rows alone are used, so ε stays as it was.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"sex": ["F", "M", "M", "M"], "paid": ["no", "yes", "no", "yes"]})
    >>> levels = {"sex": ["F", "M"], "paid": ["no", "yes"]}
    >>> schema = Schema.from_dict({"columns": {
    ...     name: {"kind": "categorical", "categories": known} for name, known in levels.items()}})
    >>> fair = mitigate(rows, "resample", schema=schema, target={"sex": "equal"}, n=2)
    >>> sorted(fair.to_frame()["sex"].astype(str))
    ['F', 'M']

    Args:
        subject: Samples (data frame, file or several), a model or its folder, `module:name`, a
            callable, or a `Subject`.
        how: A `Mitigation`, or its method (resample, reweigh, balance, reject, repair) with
            `options`.
        schema: What is declared of the samples; a model brings its own.
        n: Rows wanted. A generator needs it; of samples as many as there are by default.
        seed: Of all chance in it.
        out: A file or folder to write the rows to; a record of what was done is written beside it.
        options: Fields of `Mitigation` (columns, target, strength, dpd, ...).

    Raises:
        DataError, SchemaError, OptionError, IntegrityError: one sentence on what is not usable.
    """
    chosen = _mitigation(how, options)
    check_seed(seed)
    place = None if out is None else path_of(out, "a file to write")
    if place is not None:
        read = [*(subject if isinstance(subject, list | tuple) else [subject]), schema,
                chosen.target]  # fmt: skip
        for written in (place, records.beside(place)):
            check_apart(written, [x for x in read if isinstance(x, str | Path) and _exists(x)])
    who = subject if isinstance(subject, Subject) else _whose_samples(subject, schema)
    earlier = who.earlier
    if weighted(earlier) and who.samples is not None:
        # Weights are of the rows that were, under the mix that was.
        who = replace(who, samples=unweighted(who.samples))
    if place is not None and who.samples is not None:
        files.check_out(place, who.samples.schema.record)
    if who.draw is not None:
        if n is None:
            raise OptionError("Expected a number of rows to draw from a generator (-n), got none.")
        found = chosen.of_draw(who.draw, n, seed=seed)
    else:
        assert who.samples is not None, "a subject has one of the two"
        found = chosen.of_samples(who.samples, n=n, seed=seed)
    if place is not None:
        schema_of = found.samples.schema
        _write_mitigated(found, place, {
            # Files that were made from one another hold a row oftener than their steps tell.
            **chosen.step(schema_of, seed, found.repeats * who.repeats // repeats(earlier)),
            "earlier": earlier, "source": who.name, "source_digest": who.digest,
            "cost": dict(found.cost), "tuning": found.tuning,
        })  # fmt: skip
    return found


def _mitigation(how: Mitigation | str, options: Mapping[str, Any]) -> Mitigation:
    if isinstance(how, Mitigation):
        if options:
            raise OptionError(
                f"Expected the option {next(iter(options))!r} inside the Mitigation, got it beside "
                "one; leave it out."
            )
        return how
    known = [f.name for f in fields(Mitigation) if f.name != "method"]
    for name in options:
        if name not in known:
            raise OptionError(
                f"Expected options of a mitigation ({', '.join(known)}), got {name!r}; correct it."
            )
    return Mitigation(how, **options)


def _whose_samples(subject: Any, schema: Schema | str | Path | None) -> Subject:
    """Samples or a generator as a subject, by the schema that is given or that a model brings."""
    model = as_model(subject)
    public = getattr(model, "schema", None) if schema is None else _public(schema)
    if public is None:
        raise OptionError(
            "Expected the schema of the samples, whose roles say what groups and outcomes are, got "
            "none; give it (--schema)."
        )
    return resolve(subject, model, public, None)


def _exists(path: str | Path) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that no file can have
        return False


def _write_mitigated(found: Mitigated, out: Path, told: Mapping[str, Any]) -> None:
    """Write samples and their record, or neither."""
    schema, place = found.samples.schema, records.beside(out)
    missing = schema.missing[0] if schema.missing else ""
    frame, done = found.to_frame(), MitigationRecord.model_validate({**told, "digest": ""})
    check_file(place)
    files.write(frame, out, schema.record, missing=missing)
    try:
        digest = files.digest(out)
        write_text(place, done.model_copy(update={"digest": digest}).to_json())
    except BaseException:
        if out.is_dir():
            shutil.rmtree(out, ignore_errors=True)
        else:
            out.unlink(missing_ok=True)
        raise


def check(
    report: AuditReport,
    policy: Policy | str | Path | None = None,
    *,
    on: dt.date | None = None,
) -> AuditReport:
    """The report judged anew under a policy, its own by default; no stored verdict is read.

    It is judged on the day `on`, by default today (UTC): nothing counts as within a limit that has
    expired, be it after the audit.

    Raises:
        OptionError: the policy is not usable, or the report's applicability is no table of answers.
        DataError: the policy inside the report is not usable.
    """
    _check_report(report)
    if policy is None:
        chosen = _own_policy(report)
    else:
        chosen = read_policy(policy, {f.metric for _, f in report.findings()})
    sections = judge(report.sections, chosen, on=on or today())
    return report.model_copy(
        update={
            "sections": tuple(sections),
            "controls": tuple(readings(sections, report.context, report.modality)),
            "policy": chosen.info(),
            # Of another policy nobody has looked whether it was registered.
            "registration": report.registration if policy is None else None,
        }
    )


def today() -> dt.date:
    """The day (UTC) on which an audit begins and a check judges."""
    return validity.today()


def expired(report: AuditReport, on: dt.date | None = None) -> str | None:
    """Until when a report was valid, where that was before a day (today, UTC); else None.

    Its verdicts stand as they are, as they were true of what was audited, but nobody should pass
    anything by them any more.
    """
    return validity.expired(report.context, on or today())


def diff(
    old: AuditReport | str | Path, new: AuditReport | str | Path, *, alpha: float = 0.05
) -> Difference:
    """What changed between two reports on the same data, worst first; verdicts are set anew.

    Args:
        old: Earlier report, or its file.
        new: Later report, or its file.
        alpha: Chance of telling any change among all findings where nothing has changed, in (0, 1).

    Raises:
        DataError: a file is not usable, or the reports are on other data.
        OptionError: alpha is out of range.
    """
    one, other = (r if isinstance(r, AuditReport) else read_report(r) for r in (old, new))
    return differences.diff(check(one), check(other), alpha=alpha)


def read_policy(
    policy: Policy | str | Path | None = None, measured: Collection[str] = ()
) -> Policy:
    """A policy whose limits are all on metrics that there are; the bundled default without one.

    measured: metrics that a report holds, which are known to be such.

    Raises:
        OptionError: it is not usable, limits a metric that no audit measures, or has the name of
            the bundled one over other limits.
    """
    if policy is None:
        return Policy.read()
    found = (
        _made_by_hand(policy)
        if isinstance(policy, Policy)
        else Policy.read(_file(policy, "policy"))
    )
    where = repr(found.name) if isinstance(policy, Policy) else f"in {policy}"
    if wears_bundled_name(found):
        raise OptionError(
            f"The policy {where} has the name of the bundled one, {found.name!r}, and says "
            "something else; write a `name` and `owner` of your own into it, for pages name them."
        )
    known = {*measured, *PROMISED, *(limit.metric for limit in Policy.read().limits)}
    # Audits are imported only for a metric that is not known without them.
    if strange := [x.metric for x in found.limits if x.metric not in known]:
        check_metrics(strange, f"The policy {where}")
    return found


def _made_by_hand(policy: Policy) -> Policy:
    """A policy from memory, which says who stands for it, as a file does.

    That nobody chose it may be said of the bundled one alone, and no copy that was changed has the
    digest of its file.
    """
    bundled = Policy.read()
    same = content(policy) == content(bundled)
    digest = "" if policy.digest == bundled.digest and not same else policy.digest
    return policy.answered_for("memory").model_copy(
        update={"default": policy.default and same, "digest": digest}
    )


def register_policy(
    policy: str | Path, ledger: PrivacyLedger | str | Path | None = None
) -> Registration:
    """Enter a policy file into the ledger before a run; an audit then says whether it was in time.

    It was, where its entry stands ahead of the first audit in that ledger of the same data (by name
    or content) or the same subject. Registered again, the first entry counts.

    Raises:
        OptionError: the policy is not usable, or the ledger cannot be written.
        IntegrityError: an entry of the ledger was changed, removed or put in by hand.
    """
    return register(read_policy(_file(policy, "policy")), _ledger(ledger))


def _own_policy(report: AuditReport) -> Policy:
    try:
        return Policy.model_validate(report.policy.model_dump())
    except ValidationError as error:
        raise DataError(
            f"Expected a report with a usable policy, got: {complaint(error.errors()[0])}; "
            "name another with --policy, or give the whole audit.json that `genaudit audit` wrote."
        ) from error


def calibrate(
    audits: Sequence[str] | None = None,
    *,
    runs: int = 200,
    jobs: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Calibration, Path, list[str]]:
    """Measure how often audits and bounds raise a false alarm; the record, its file, and faults.

    Args:
        audits: Ids, with `out` beside them; by default all of the plan `full`, and the bounds on
            epsilon.
        runs: Draws of each world in which nothing leaked, at least 1.
        jobs: Processes; -1 = one for each core.
        seed: Of the first draw, at least 0.
        out: File to write; by default the one that reports of this user go by.
        progress: Called with world, number done, number of all.

    Raises:
        OptionError: no such audit, or the file cannot be written.
    """
    from genaudit.battery.measure import calibrate as measured
    from genaudit.battery.measure import faults
    from genaudit.calibration import own_path

    check_seed(seed)
    if audits and out is None:
        raise OptionError(
            "Expected --out with --audit: a record of some audits would replace that of all, which "
            "reports go by; name a file."
        )
    path = Path(out) if out is not None else own_path()
    if out is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    check_file(path)
    found = measured(audits, runs=runs, jobs=jobs, seed=seed, progress=progress)
    write_text(path, found.model_dump_json(indent=1) + "\n")
    return found, path, faults(found)


def selfcheck(
    trainer: Any = None,
    *,
    bundle: str | Path | None = None,
    train: Table | None = None,
    canaries: int | None = None,
    seed: int = 0,
    ledger: PrivacyLedger | str | Path | None = None,
    dataset_id: str | None = None,
    progress: Progress | None = None,
) -> list[SelfcheckReport]:
    """Whether a private training is what it claims to be; one report for each trainer.

    Args:
        trainer: a `PrivateTrainer`, better a factory `make(seed=...)` of them, or its
            `module:name`; without one, and without `bundle`, genaudit's own trainers.
        bundle: a folder that is released; it is searched for rows of `train`.
        train: the rows that must not be in it. This look at them is in the ledger.
        canaries: instead of all else, plant so many in whole trainings of our own, and tell how
            much of their ε can be seen in one run.
        seed: handed to the factory, at least 0.
        ledger: where that look is written; the user's own by default.
        dataset_id: name of the rows in the ledger.
        progress: called with trainer and check, number done, number of all.

    Raises:
        OptionError: no such trainer, too few canaries, or `bundle` and `train` do not come
            together.
        DataError: the folder or the rows cannot be read.
    """
    from genaudit.training.dp.selfcheck.examine import examine, scanned
    from genaudit.training.dp.selfcheck.ours import OURS

    check_seed(seed)
    if (bundle is None) != (train is None):
        raise OptionError(
            "Expected a folder and the rows that must not be in it (bundle and train), got one of "
            "the two; give both."
        )
    if canaries is not None:
        if trainer is not None or bundle is not None:
            raise OptionError(
                "Expected --canaries alone, got a trainer or a folder beside it: canaries are "
                "planted in trainings of genaudit's own; leave one of the two out."
            )
        from genaudit.training.dp.selfcheck.planted import examined

        return [examined(canaries, seed=seed, progress=progress)]
    given = imported(trainer, "TRAINER") if isinstance(trainer, str) else trainer
    trainers: Mapping[str, Any] = {} if bundle else OURS
    if given is not None:
        trainers = {trainer if isinstance(trainer, str) else "": given}
    reports = [
        examine(make, name=name, seed=seed, progress=progress) for name, make in trainers.items()
    ]
    if bundle is not None and train is not None:
        look = _Look(
            _ledger(ledger), _public(None, train), dataset_id,
            purpose="rows are looked for in a released folder",
        )  # fmt: skip
        raw, _ = look.at(train, "train")
        reports.append(scanned(Path(bundle), raw, seed=seed))
    return reports


def draft(
    data: Table, *, subwords: int | None = None, ledger: PrivacyLedger | str | Path | None = None
) -> Schema:
    """A schema guessed by looking at the data; read it, correct it, then declare it.

    A bundled data set brings its public schema, and nothing is looked at.

    Args:
        data: as in `train`.
        subwords: at most so many frequent pieces of texts that count as one symbol each.
        ledger: where the look is written down.

    Raises:
        DataError, OptionError: the data are not usable, or subwords are asked of what is no text.
    """
    if subwords is not None and not 1 <= subwords <= MAX_ALPHABET:
        raise OptionError(f"Expected subwords from 1 to {MAX_ALPHABET:,}, got {subwords:,}.")
    known = _public(None, data)
    if known is not None and subwords is None:
        return known
    look = _Look(_ledger(ledger), None, None, purpose="draft of a schema, shown to the operator")
    raw = look.at(data, "data")[0]
    drafted = draft_schema(raw)
    return drafted if subwords is None else _with_subwords(drafted, raw, subwords)


def _with_subwords(schema: Schema, raw: pd.DataFrame, n: int) -> Schema:
    """The schema of texts, with frequent pieces of theirs declared."""
    from genaudit.modalities.text.codec import learn_subwords

    record = schema.record
    if record is None or record.kind is not Kind.TEXT:
        raise OptionError(
            "Expected lines of text (a .txt file) to learn subwords from, got other records; leave "
            "subwords out, or write the texts into such a file."
        )
    pieces = learn_subwords(Dataset.of(raw, schema, "data").media, n)
    return schema.replace_columns([record.model_copy(update={"subwords": pieces})])


def plan_training(
    data: Table,
    schema: Schema | str | Path | None = None,
    *,
    model: str = "cgan",
    epsilon: float | None = None,
    delta: float | None = None,
    ledger: PrivacyLedger | str | Path | None = None,
    dataset_id: str | None = None,
    budget_total: float | None = None,
    canaries: int | None = None,
    **options: Any,
) -> list[str]:
    """What a training would do and spend, as lines for a person; nothing is trained.

    The rows are checked as in training, and what is wrong with them is shown: the ledger says so.

    Raises:
        DataError, SchemaError, OptionError, BudgetError: training would be refused as well, such as
            where earlier releases leave no room under `budget_total`.
    """
    from genaudit.training.fit import plan
    from genaudit.training.recipe import Recipe, check_budget_total

    recipe = Recipe.of(family=model, epsilon=epsilon, delta=delta, **options)
    public = _public(schema, data)
    check_budget_total(budget_total, _declared_id(public, dataset_id))
    book = _ledger(ledger)
    checked, named = _checked(data, public, dataset_id, book, private=epsilon is not None)
    if canaries is not None:
        checked = _tossed(canaries, checked, recipe).plant(checked, private=recipe.private)
    return plan(recipe, checked, ledger=book, dataset_id=named, budget_total=budget_total)


def read_recipe(path: Path | None) -> dict[str, Any]:
    """Fields of a recipe file (TOML), or none; `model` there means `family`, as in `train`.

    Raises:
        OptionError: the file is absent or no TOML, or a field is unknown.
    """
    from genaudit.training.recipe import Recipe

    fields = {} if path is None else read_toml(path, "a recipe (TOML)")
    model = fields.pop("model", None)
    if model is not None and fields.setdefault("family", model) != model:
        raise OptionError(
            f"The recipe {str(path)!r} names two families, model = {model!r} and family = "
            f"{fields['family']!r}; expected one of the two."
        )
    for name in fields:
        if name not in Recipe.model_fields:
            Recipe.of(**{name: fields[name]})  # raises, and says which fields there are
    return fields


def read_context(path: Path | None) -> dict[str, Any]:
    """What only the operator knows, from `context.toml`: assessed by, purpose, applicability.

    Raises:
        OptionError: the file is absent or no TOML, or what it says is not usable.
    """
    return contexts.read(path)


def read_report(path: str | Path) -> AuditReport:
    """The report in an `audit.json`.

    Raises:
        DataError: the file is absent, empty, cut short or foreign.
        IntegrityError: its limits are not those whose digest it says was registered, or they were
            not registered when it says.
    """
    what = "a report (audit.json)"
    found = json.loads(read_text(path_of(path, what), what, DataError))
    check_report(found, str(path))
    return found


def write_json(report: AuditReport, path: str | Path) -> Path:
    """Write the canonical `audit.json`."""
    _check_report(report)
    return write_text(path_of(path, "a file to write"), json.dumps(report))


def write_html(report: AuditReport, path: str | Path, lang: str = "en") -> Path:
    """Write the report as one self-contained page; its verdicts are set anew, as `check` does."""
    page = html.to_html(check(report), lang=lang, on=today())
    return write_text(path_of(path, "a file to write"), page)


def _repr_html_(report: AuditReport) -> str:
    """The report below a cell of a notebook, with the content of its page."""
    return fragment(check(report), on=today())


# Results know no rendering, so it is here that they learn how a notebook shows them.
AuditReport._repr_html_ = _repr_html_  # type: ignore[attr-defined]  # added here


def write_form(report: AuditReport, path: str | Path, form: str) -> Path:
    """Write a report for another tool, as `genaudit.render.forms.FORMS` names them.

    Its verdicts are set anew, as `check` does, and forms that have a place for it say where its
    validity is over today.

    Raises:
        OptionError: there is no such form.
    """
    if form not in FORMS:
        raise OptionError(f"Expected a form of {', '.join(FORMS)}, got {form!r}.")
    text = FORMS[form](check(report), today())
    return write_text(path_of(path, "a file to write"), text)


def bundle(
    report: AuditReport | str | Path,
    out: str | Path,
    *,
    key: str | Path | None = None,
    recipient: str | None = None,
    policy: str | Path | None = None,
    pdf: bool = True,
) -> Bundled:
    """Write a report as a folder of evidence: pages, exports, and a statement on all of them.

    Its verdicts are set anew as of the day on which the audit began, so that the same report makes
    the same files on any day; only where its validity or one of its limits is over today do they
    say that.

    Args:
        report: a report, or the path of its `audit.json`; with a recipient also a model folder,
            which is encrypted as it is.
        out: a new folder; with a recipient one file.
        key: file with an Ed25519 private key (PEM, PKCS8), which signs; without one it is unsigned.
        recipient: age public key of whom it is encrypted to.
        policy: file of the limits, which is put in as it is, so that its digest is the registered
            one; without it they are written anew from the report.
        pdf: also print the pages, where the system has Chromium.

    Raises:
        DataError: the report cannot be read.
        OptionError: key or recipient are none, the policy is another one than that of the report,
            or `out` cannot be written.
        IntegrityError: the report has other limits than the policy whose digest it names.
    """
    from genaudit.evidence import bundle as bundles

    place = path_of(out, "a new folder")
    if isinstance(report, str | Path) and Path(report).is_dir():
        if recipient is None or key is not None:
            raise OptionError(
                f"Expected a report (audit.json), got the folder {str(report)!r}; a model folder "
                "is encrypted with a recipient and without a key."
            )
        return bundles.write_model(report, place, recipient)
    stored = report if isinstance(report, AuditReport) else read_report(report)
    check_report(stored, "the report")
    if policy is not None:
        check_same(Policy.read(policy), stored, "the report")
    judged = check(stored, on=_day(stored))
    late = _late(judged)
    if n := changed(stored, judged):
        warnings.warn(
            f"{n} of the stored verdicts are not what numbers and limits say; the bundle holds "
            "what they say.",
            GenauditWarning,
            stacklevel=2,
        )
    if late:
        judged = check(stored)
        warnings.warn(
            f"Limits have expired since the audit ({', '.join(late)}), so the bundle says that "
            "what they judge cannot be told; their owner must renew them first.",
            GenauditWarning,
            stacklevel=2,
        )
    if (until := expired(judged)) is not None:
        warnings.warn(
            f"The report was valid until {until}, so its bundle is no pass; audit again.",
            GenauditWarning,
            stacklevel=2,
        )
    chosen = None
    if policy is not None:
        chosen = read_bytes(path_of(policy, "a policy (TOML)"), "a policy (TOML)", OptionError)
    return bundles.write(
        judged, place, key=key, recipient=recipient, policy=chosen, pdf=pdf, on=today()
    )


def changed(stored: AuditReport, judged: AuditReport) -> int:
    """How many verdicts of a report are others now that it was judged anew."""
    pairs = zip(stored.findings(), judged.findings(), strict=True)
    return sum(old.verdict != new.verdict for (_, old), (_, new) in pairs)


def _late(report: AuditReport) -> list[str]:
    """Metrics that pass by a limit which is over today."""
    limited = ((f.metric, str(f.verdict), f.limit.expires)
               for _, f in report.findings() if f.limit)  # fmt: skip
    return validity.expired_limits(limited, today())


def _day(report: AuditReport) -> dt.date:
    """The day on which an audit began; where nobody knows, one on which every limit has expired."""
    day = dt.date.fromisoformat(form.started(report)[:10])
    return dt.date.max if form.started(report) == form.NO_TIME else day


def write_comparison(reports: Sequence[str | Path], path: str | Path, lang: str = "en") -> Path:
    """Write one page that sets reports side by side, such as before and after a mitigation.

    Each links to its own page, where one of its name lies beside it, and else to its `audit.json`.
    """
    out = path_of(path, "a file to write")
    places = [Path(place) for place in reports]
    pages = [p.with_suffix(".html") if p.with_suffix(".html").is_file() else p for p in places]
    links = [Path(os.path.relpath(page, out.parent)).as_posix() for page in pages]
    # What stands before a colon would be a scheme.
    links = [f"./{link}" if ":" in link.partition("/")[0] else link for link in links]
    found = [check(read_report(place)) for place in places]
    return write_text(out, compare(found, links, lang=lang, on=today()))


def _is_bundled(table: object) -> bool:
    return (
        isinstance(table, str | os.PathLike)
        and str(table) in bundled.DATASETS
        and not Path(table).is_file()  # a folder is no table, whatever its name
    )


def _table(table: Table, what: str, schema: Schema | None = None) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        table = flat(table, what)
        if table.columns.has_duplicates:
            twice = table.columns[table.columns.duplicated()][0]
            raise DataError(f"Column {twice!r} is in {what} twice; expected each name once.")
        return table
    if _is_bundled(table):
        return bundled.load(str(table))[0]
    return files.read(table, what, schema.record if schema else None)


@dataclass(frozen=True)
class _Look:
    """Rows that flow to the operator's screen or into a report, and the touch that says so."""

    ledger: PrivacyLedger
    schema: Schema | None
    dataset_id: str | None
    purpose: str = field(kw_only=True)
    knowledge: Knowledge = field(default=Knowledge.TRAIN, kw_only=True)

    def at(self, table: Table, what: str) -> tuple[pd.DataFrame, Touch]:
        """The rows, and the touch that was written down before anything of them is shown."""
        if not isinstance(table, pd.DataFrame) and not _is_bundled(table):
            _check_there(table, what)
        try:
            raw = _table(table, what, self.schema)
        except DataError:
            # What is wrong with it is shown, and may quote it.
            if (content := _unread(table)) is not None:
                self._record(content)
            raise
        return raw, self._record(_content(raw))

    def _record(self, content: bytes) -> Touch:
        digest = self.ledger.content_digest(content)
        named = _declared_id(self.schema, self.dataset_id) or f"{UNDECLARED}{digest[:12]}"
        by_person = self.schema is not None and self.schema.person is not None
        touch = Touch(
            # Rows that were not trained on are other people: their touches are kept apart.
            dataset=named if self.knowledge is Knowledge.TRAIN else f"{named}:{self.knowledge}",
            kind=TouchKind.UNACCOUNTED,
            scope=Scope.AUDIT,
            purpose=self.purpose,
            unit="person" if by_person else "record",
            digest=digest,
        )
        return self.ledger.append(touch).touch


def _check_there(table: object, what: str) -> None:
    """Refuse what is no table and no file of one, without a look inside."""
    if not isinstance(table, str | os.PathLike):
        raise DataError(
            f"Expected {what} as a data frame, a file or the name of a bundled data set, got "
            f"{type(table).__name__}; make a data frame of it, with a name for each column."
        )
    files.check_there(Path(table), what)


def _content(raw: pd.DataFrame) -> bytes:
    """What a data set is known by, where nobody named it: its rows, in their order."""
    return row_hashes(raw.apply(frozen).astype(str)).tobytes()


def _unread(table: Table) -> bytes | None:
    """The same of a table that could not be read as one; None where nothing could be read."""
    if isinstance(table, pd.DataFrame):
        return _content(table)
    try:
        return Path(table).read_bytes()
    except OSError:
        return None


def _checked_together(
    data: Table,
    public: Schema | None,
    dataset_id: str | None,
    ledger: PrivacyLedger,
    world: World,
    *,
    private: bool,
) -> tuple[Dataset, str]:
    """Rows to train on; no process looks at them before the leader has written that they do."""
    if world.leads:
        found = _checked(data, public, dataset_id, ledger, private=private)
        world.wait()
        return found
    world.wait()
    return _checked(data, public, dataset_id, None, private=private)


def _checked(
    data: Table,
    public: Schema | None,
    dataset_id: str | None,
    ledger: PrivacyLedger | None,
    *,
    private: bool,
) -> tuple[Dataset, str]:
    """Rows to train on, checked after the ledger says that they are looked at; and their name."""
    drawn = (
        "checked against" if public else "looked at for a draft of its schema and checked against"
    )
    purpose = f"train is {drawn} the schema, shown to the operator"
    if ledger is None:
        raw, named = _table(data, "train", public), ""
    else:
        raw, touch = _Look(ledger, public, dataset_id, purpose=purpose).at(data, "train")
        named = touch.dataset
    found = public or _draft([raw], quiet=private, training=True, stacklevel=5)
    if public is None:
        check_draft(found, raw, "train")
    if not private and found.undeclared:
        found = learn(found, raw)
    checked = Dataset.of(raw, found, "train")
    if not private:  # of a private run the regime says whether records or persons count
        _check_count(checked)
    return checked, named


def _public(given: Schema | str | Path | None, *tables: Table | None) -> Schema | None:
    """The schema that is there without a look at the data: given, or of a bundled data set."""
    if given is None:
        given = next((str(table) for table in tables if _is_bundled(table)), None)
    if given is None or isinstance(given, Schema):
        return given
    return Schema.read(_file(given, "schema"))


#: How each object is made of something that is no path.
_MADE = {
    "schema": "genaudit.Schema.from_dict", "plan": "genaudit.AuditPlan",
    "policy": "genaudit.Policy.read", "ledger": "genaudit.PrivacyLedger",
}  # fmt: skip


def _file(given: object, what: str) -> str | Path:
    """The name of a file, where nothing else was given instead."""
    if isinstance(given, str | os.PathLike):
        return given if isinstance(given, str) else Path(given)
    raise OptionError(
        f"Expected {what} as an object of genaudit, a file or a name, got {type(given).__name__}; "
        f"make one of it first, such as with {_MADE[what]}."
    )


def _check_report(report: object) -> None:
    """Refuse what is no report, such as the name of its file."""
    if not isinstance(report, AuditReport):
        raise OptionError(
            "Expected a report, as genaudit.audit and genaudit.read_report return it, got "
            f"{type(report).__name__}; read it with genaudit.read_report first."
        )


def _declared_id(schema: Schema | None, dataset_id: str | None) -> str | None:
    """What the owner calls the data set, if anything."""
    if dataset_id is not None and not (isinstance(dataset_id, str) and dataset_id.strip()):
        got = "none" if isinstance(dataset_id, str) else type(dataset_id).__name__
        raise OptionError(
            f"Expected a name of the data set (dataset_id), got {got}; leave it out, or name it."
        )
    return dataset_id or (schema and schema.id) or None


def _draft(
    raws: Sequence[pd.DataFrame], *, quiet: bool = False, training: bool = False,
    stacklevel: int = 3,
) -> Schema:  # fmt: skip
    """A schema drafted by looking at the data; call it once the ledger says so."""
    if not raws:
        raise OptionError("Expected a schema or some data to draft one from; give --schema.")
    shared = [name for name in raws[0] if all(name in raw for raw in raws)]
    whole = pd.concat([raw[shared] for raw in raws], ignore_index=True)
    whole.attrs = dict(raws[0].attrs)
    # Columns that not all files have stay in the draft, so that the check names them.
    drafted = pd.concat([whole, raws[0].drop(columns=shared)], axis=1)
    drafted.attrs = whole.attrs
    found = draft_schema(drafted)
    if not quiet:
        out = [repr(column.name) for column in found.by_role(Role.IGNORED)]
        left = f" Left out of it: {', '.join(out[:5])}; declare what is to be made." if out else ""
        if training and found.record is None:
            left += (
                " Each row counts as a record of its own: steps of series, and texts, are made as "
                "such where a schema declares the kind sequence or text."
            )
        warnings.warn(
            "No schema was given, so one was drafted by looking at the data; "
            f"run `genaudit schema` and review it.{left}",
            GenauditWarning,
            stacklevel=stacklevel,
        )
    return found


def _check_count(data: Dataset) -> None:
    """Refuse another number of records, or of persons, than the schema declares."""
    rows = data.schema.rows
    if rows not in (None, "public", len(data)) and rows != data.n_units():
        raise DataError(
            f"The schema declares rows = {rows:,} as public, but the data has {len(data):,}; "
            'correct it, or write rows = "public" if their number in any such file is no secret.'
        )


def _opened(folder: str | Path | None, model: Any) -> Opened | None:
    """What is in a checkpoint folder, if one is given; this loads torch."""
    if folder is None:
        return None
    from genaudit.subjects.checkpoint import Opened

    return Opened.read(Path(path_of(folder, "a checkpoint folder")), model)


def _check_rows(
    opened: Opened, train: pd.DataFrame | None, ledger: PrivacyLedger, planted: Canaries | None
) -> None:
    """Refuse a checkpoint of other rows, and say so where that cannot be told."""
    if train is not None and not opened.check_rows(train, ledger, planted):
        warnings.warn(
            "It cannot be told whether the checkpoint is of the rows of train, as it was charged "
            "to another ledger; name that one with --ledger.",
            GenauditWarning,
            stacklevel=3,
        )


def _check_overlaps(data: Mapping[Knowledge, Dataset]) -> None:
    if Knowledge.TRAIN in data:
        for other in (Knowledge.HOLDOUT, Knowledge.AUXILIARY):
            if other in data:
                check_disjoint(data[Knowledge.TRAIN], data[other], ("train", other.value))
    if {Knowledge.HOLDOUT, Knowledge.AUXILIARY} <= set(data):
        check_disjoint(data[Knowledge.HOLDOUT], data[Knowledge.AUXILIARY], ("holdout", "auxiliary"))


def _ledger(ledger: PrivacyLedger | str | Path | None) -> PrivacyLedger:
    if ledger is None or isinstance(ledger, PrivacyLedger):
        return ledger or PrivacyLedger()
    return PrivacyLedger(_file(ledger, "ledger"))


def _remarks(drafted: bool, subject: Subject) -> list[Message]:
    remarks = []
    if drafted:
        remarks.append(
            message("remark.drafted", "The schema was drafted by looking at the data; review it.")
        )
    if subject.kind == "callable without seed":
        remarks.append(
            message("remark.unseeded", "The generator takes no seed: another run differs.")
        )
    if subject.mitigation is not None:
        remarks.append(subject.mitigation)
    if subject.claim is not None and subject.kind == "model folder":
        remarks.append(
            message(
                "remark.private_randomness",
                "Noise of private training comes from the operating system and is not stored: the "
                "same training command gives another model.",
            )
        )
    return remarks


__all__ = [
    "audit", "check", "diff", "draft", "load", "mitigate", "read_report", "register_policy",
    "selfcheck", "train", "write_html", "write_json",
]  # fmt: skip
