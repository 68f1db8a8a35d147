"""Training from end to end, every family, plain and private: valid records, a true ledger."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import schema_of

from genaudit import accounting
from genaudit.data.dataset import Dataset
from genaudit.data.frame import draft_schema
from genaudit.data.schema import Role, Schema
from genaudit.errors import BudgetError, DataError, GenauditWarning, IntegrityError, OptionError
from genaudit.ledger import PrivacyLedger, Scope, Touch, TouchKind, counted
from genaudit.models.store import Trained, load
from genaudit.subjects.trained import from_model
from genaudit.training.book import Book, together
from genaudit.training.dp.intake import take_in
from genaudit.training.fit import Update, fit, plan
from genaudit.training.prepared import net_options
from genaudit.training.recipe import Recipe

RARE = "4711.25"


def _schema(**changes: object) -> Schema:
    columns = {
        "who": {"kind": "categorical", "role": "person"},
        "age": {"kind": "integer", "bounds": [18, 90], "nullable": True},
        "amount": {"kind": "numeric", "bounds": [0, 1e4], "spikes": [0]},
        "town": {"kind": "categorical", "categories": [f"t{i}" for i in range(100)]},
        "group": {"kind": "categorical", "role": "sensitive", "categories": ["a", "b"]},
        "yes": {"kind": "boolean", "role": "target"},
    }
    return Schema.from_dict({"rows": "public", "columns": columns, **changes})


def _frame(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    group = rng.random(n) < 0.3
    amount = np.where(rng.random(n) < 0.5, 0.0, rng.random(n) * 1e4)
    amount[0] = float(RARE)
    return pd.DataFrame(
        {
            "who": [f"person-{i:05d}" for i in range(n)],
            "age": pd.Series(rng.integers(18, 60, n)).astype("Int64").mask(rng.random(n) < 0.2),
            "amount": amount,
            "town": [f"t{i}" for i in rng.integers(0, 100, n)],
            "group": np.where(group, "b", "a"),
            "yes": rng.random(n) < np.where(group, 0.2, 0.7),
        }
    )


def _data(n: int = 400, **changes: object) -> Dataset:
    return Dataset.of(_frame(n), _schema(**changes), "train")


def _recipe(family: str, *, private: bool, **fields: object) -> Recipe:
    budget = {"epsilon": 3.0, "delta": 1e-5} if private else {}
    small = {"steps": 25, "hidden": (16,), "batch_size": 40, "components": 30, "fit_steps": 40}
    small |= {"latent": 4} if family == "vae" else {}
    return Recipe.of(family=family, **{**small, **budget, **fields})


CELLS = [(f, p) for f in ("gan", "vae", "cgan") for p in (False, True)]


@pytest.fixture(scope="module", params=CELLS, ids=lambda c: f"{c[0]}-{'dp' if c[1] else 'plain'}")
def cell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, PrivacyLedger, list[Update], bool]:
    """One family in one regime, trained once for all tests."""
    family, private = request.param
    ledger = PrivacyLedger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    seen: list[Update] = []
    trained = fit(
        _recipe(family, private=private), _data(), ledger=ledger, dataset_id="people",
        artefact="made", progress=seen.append,
    )  # fmt: skip
    return trained, ledger, seen, private


Cell = tuple[Trained, PrivacyLedger, list[Update], bool]


def test_samples_fit_the_schema(cell: Cell) -> None:
    """Exactly n records, each of which would pass as real; other seeds give other records."""
    made = cell[0].sample(300, seed=1)

    assert len(made) == 300
    raw = made.to_frame().assign(who=[f"p{i}" for i in range(300)])
    Dataset.of(raw, _schema(), "samples")
    assert not made.frame.equals(cell[0].sample(300, seed=2).frame)
    assert len(cell[0].sample(0)) == 0


def test_where_is_obeyed(cell: Cell) -> None:
    """Conditions on condition columns, other columns, numbers and missing values hold."""
    trained = cell[0]

    assert set(trained.sample(50, where={"group": "b"}).frame["group"]) == {"b"}
    both = trained.sample(30, where={"yes": "true", "amount": "0"}).frame
    assert set(both["yes"].astype(str)) == {"True"}
    assert (both["amount"] == 0).all()
    assert len(both) == 30
    assert trained.sample(20, where={"age": ""}).frame["age"].isna().all()


def test_saved_model_gives_the_same_samples(cell: Cell, tmp_path: Path) -> None:
    """Save, load, save: the same samples bit by bit, the same files, no row in them."""
    trained = cell[0]
    trained.save(tmp_path / "a")
    again = load(tmp_path / "a")
    again.save(tmp_path / "b")

    assert again.sample(200, seed=5).frame.equals(trained.sample(200, seed=5).frame)
    assert again.touches == trained.touches
    assert again.claim == trained.claim
    for name in ("model.json", "model.safetensors"):
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert b"person-" not in content
        if cell[3]:
            assert RARE.encode() not in content


def test_ledger_and_model_agree(cell: Cell) -> None:
    """The model's touches are the ledger's but for digests; a private one sums to at most ε."""
    trained, ledger, _, private = cell
    release = [e.touch for e in ledger.entries() if e.touch.scope is Scope.RELEASE]
    release = [t for t in release if t.kind is not TouchKind.RESERVED]
    kinds = {t.kind for t in release}

    assert list(trained.touches) == [
        t.model_copy(update={"digest": "", "run": ""}) for t in release
    ]
    assert trained.ledger == ledger.mark()
    assert {(t.dataset, t.artefact) for t in release} == {("people", "made")}
    assert all(len(t.digest) == 64 for t in release)
    if not private:
        assert trained.claim is None
        assert kinds == {TouchKind.UNACCOUNTED}
        return
    assert trained.claim is not None
    assert kinds == {TouchKind.PUBLIC, TouchKind.ACCOUNTED}
    assert (trained.claim.unit, trained.claim.relation) == ("person", "zero-out")
    spent = accounting.epsilon([t.mechanism for t in release if t.mechanism], 1e-5)
    assert 2.9 < spent <= 3.0


def test_progress_and_history(cell: Cell) -> None:
    """Every step reports; quality comes every twentieth; private ones show no loss on real rows."""
    trained, _, seen, private = cell

    assert [u.step for u in seen] == list(range(1, 26))
    assert seen[-1].seconds_left == 0
    looks = [u.quality for u in seen if u.quality is not None]
    assert len(looks) >= 10
    assert 0 <= looks[-1] <= 1
    shown = set().union(*(u.metrics for u in seen), *trained.history)
    allowed = {"generator_loss", "step", "quality"} | (set() if private else {"loss"})
    assert shown <= allowed


def test_subject(cell: Cell, tmp_path: Path) -> None:
    """A folder and a model in memory are subjects with a sampler, claim and touches."""
    trained = cell[0]
    folder = trained.save(tmp_path / "folder")
    for subject in (from_model(trained), from_model(folder)):
        assert subject.draw is not None
        assert len(subject.draw(10, 0)) == 10
        assert subject.claim == trained.claim
        assert subject.touches == trained.touches
    assert from_model(folder).digest
    other = from_model(folder, schema=_schema(id="other")).draw
    assert other is not None
    assert other(5, 0).schema.id == "other"


def test_plain_training_is_reproducible_and_private_is_not() -> None:
    """The same plain recipe gives the same model; noise of a private one is never the same."""
    torch.manual_seed(1)
    first = [fit(_recipe("cgan", private=p), _data()).sample(50).frame for p in (False, True)]
    torch.manual_seed(2)
    second = [fit(_recipe("cgan", private=p), _data()).sample(50).frame for p in (False, True)]

    assert first[0].equals(second[0])
    assert not first[1].equals(second[1])


def test_a_crash_has_been_charged(tmp_path: Path) -> None:
    """A training stopped halfway has charged the steps it took, and at most a part more."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")

    def stop(update: Update) -> None:
        if update.step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(_recipe("cgan", private=True), _data(), ledger=ledger, dataset_id="d", progress=stop)

    steps = [
        e.touch.mechanism.steps for e in ledger.entries()
        if e.touch.mechanism and e.touch.mechanism.name == "poisson_gaussian"
    ]  # fmt: skip
    assert 12 <= sum(steps) <= 14


def test_undeclared_schema_is_refused_or_paid() -> None:
    """What the schema leaves open is named with both ways out; a budget for it learns it."""
    schema = _schema()
    bare = schema.replace_columns([schema["age"].model_copy(update={"bounds": None})])
    data = Dataset.of(_frame(1000), bare, "train")
    with pytest.raises(BudgetError, match=r"'age': bounds.*--preprocessing-epsilon 0\.3"):
        fit(_recipe("cgan", private=True), data)

    trained = fit(_recipe("cgan", private=True, preprocessing_epsilon=0.5), data)
    paid = [t.mechanism for t in trained.touches if t.mechanism]

    assert trained.schema["age"].bounds is not None
    assert [m.epsilon for m in paid if m.name == "pure"] == [0.5]
    assert 2.9 < accounting.epsilon(paid, 1e-5) <= 3.0


def test_drafted_schema_is_never_unpaid_for() -> None:
    """Kinds and roles that a draft read off the data stand in the model as unaccounted."""
    frame = _frame(2000).drop(columns=["who", "amount", "town"])
    data = Dataset.of(frame, draft_schema(frame).replace(rows="public"), "train")

    trained = fit(_recipe("vae", private=True, preprocessing_epsilon=1.0), data)

    assert TouchKind.UNACCOUNTED in {t.kind for t in trained.touches}


def test_what_was_learned_for_a_draft_is_never_unpaid_for() -> None:
    """A second run on the schema of the first takes its kinds from the same unpaid draft."""
    frame = _frame(2000).drop(columns=["who", "amount", "town"])
    recipe = _recipe("vae", private=True, preprocessing_epsilon=2.0)
    books = [Book(None, "d", name) for name in "ab"]
    draft = Dataset.of(frame, draft_schema(frame).replace(rows="public"), "train")

    first = take_in(recipe, draft, books[0]).data
    second = take_in(recipe, first, books[1]).data
    unpaid = [[t.purpose for t in book.touches if t.unpaid] for book in books]

    assert len(unpaid[0]) == 3
    assert unpaid[1] == unpaid[0]
    assert first.schema["age"].nullable
    assert second.schema["age"].nullable


def test_private_number_of_records() -> None:
    """Without `rows` the number of records is counted with noise, paid for, and lowered."""
    schema = _schema()
    data = Dataset.of(_frame(1500), schema.replace(rows=None), "train")

    trained = fit(_recipe("cgan", private=True), data)
    paid = [t.mechanism for t in trained.touches if t.mechanism]

    assert trained.claim is not None
    assert trained.claim.relation == "add-remove"
    assert paid[0].name == "pure"
    rates = {m.sampling_rate for m in paid if m.name == "poisson_gaussian"}
    # The count is 1,500, lowered by 41, within noise that 1e-12 of all runs exceed.
    assert all(r is not None and 40 / 1644 <= r <= 40 / 1274 for r in rates)
    assert accounting.epsilon(paid, 1e-5, "add-remove") <= 3.0


def test_declared_rows_must_be_true() -> None:
    """A public number of rows that is not the data's is refused."""
    with pytest.raises(DataError, match="rows"):
        fit(_recipe("cgan", private=True), _data(rows=399))


def _several() -> Dataset:
    """Four rows of one person, two of another, one of all others."""
    frame = _frame()
    frame.loc[[1, 2, 3], "who"] = frame.loc[0, "who"]
    frame.loc[5, "who"] = frame.loc[4, "who"]
    return Dataset.of(frame, _schema(), "train")


def test_persons_with_several_rows_are_refused(tmp_path: Path) -> None:
    """A person with two rows is refused without a cap; that look is in the ledger."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    data = _several()

    with pytest.raises(BudgetError, match=r"several rows.*--rows-per-person"):
        fit(_recipe("cgan", private=True), data, ledger=ledger, dataset_id="d")
    assert [e.touch.scope for e in ledger.entries()] == [Scope.AUDIT]
    assert len(fit(_recipe("cgan", private=False), data).sample(5)) == 5


@pytest.mark.parametrize("family", ["vae", "cgan"])
def test_persons_are_the_unit(family: str) -> None:
    """With a declared cap every touch is for a person, and n counts persons."""
    data = _several()

    trained = fit(_recipe(family, private=True, rows_per_person=3), data)

    assert trained.claim is not None
    assert trained.claim.unit == "person"
    assert {t.unit for t in trained.touches} == {"person"}
    rates = {t.mechanism.sampling_rate for t in trained.touches
             if t.mechanism and t.mechanism.name == "poisson_gaussian"}  # fmt: skip
    assert rates == {40 / 396}
    assert len(trained.sample(20)) == 20


def test_records_of_persons_warn_with_their_group() -> None:
    """Where the unit is a record, a person's own promise is printed: four rows, four times ε."""
    with pytest.warns(GenauditWarning, match=r"up to 4: for that person this is ε = 2 at δ = "):
        trained = fit(_recipe("vae", private=True, unit="record", epsilon=0.5), _several())

    assert trained.claim is not None
    assert trained.claim.unit == "record"
    with pytest.raises(OptionError, match="leave it or the unit out"):
        _recipe("vae", private=True, unit="record", rows_per_person=2)


def test_persons_that_nobody_names_are_not_protected_in_silence() -> None:
    """Asking for persons without a column that names them is refused before anything is read."""
    frame = _frame().drop(columns="who")
    schema = _schema().replace(columns=tuple(c for c in _schema().columns if c.name != "who"))
    data = Dataset.of(frame, schema, "train")

    for asked in ({"unit": "person"}, {"rows_per_person": 2}):
        with pytest.raises(OptionError, match="role person"):
            fit(_recipe("vae", private=True, **asked), data)
        with pytest.raises(OptionError, match="role person"):
            plan(_recipe("vae", private=True, **asked), data)


def test_a_plan_refuses_what_training_would() -> None:
    """Persons with several rows and no cap have no plan either."""
    with pytest.raises(BudgetError, match="--rows-per-person"):
        plan(_recipe("vae", private=True), _several())


def test_a_large_cap_counts_as_memory() -> None:
    """A batch holds as many rows as its persons may have, and is refused by that number."""
    with pytest.raises(OptionError, match="bytes"):
        fit(_recipe("vae", private=True, rows_per_person=10_000, batch_size=150), _data())


def test_a_refusal_after_reserving_gives_back_what_was_not_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model without a condition is refused before it pays; one that cannot be built, closed."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    schema = Schema.from_dict({"columns": {n: {"kind": "boolean"} for n in "ab"}, "rows": "public"})
    data = Dataset.of(pd.DataFrame({n: [True, False] * 200 for n in "ab"}), schema, "train")

    with pytest.raises(OptionError, match="condition"):
        fit(_recipe("cgan", private=True), data, ledger=ledger, dataset_id="d", budget_total=4)
    with pytest.raises(OptionError, match="condition"):
        plan(_recipe("cgan", private=True), data)
    assert not ledger.entries()

    def unbuildable(*_: object) -> None:
        raise OptionError("no such networks")

    monkeypatch.setattr("genaudit.training.table._family", unbuildable)
    with pytest.raises(OptionError, match="no such networks"):
        fit(_recipe("vae", private=True), data, ledger=ledger, dataset_id="d", budget_total=4)

    touches = [e.touch for e in ledger.entries()]
    assert touches[-1].kind is TouchKind.RESERVED
    assert not touches[-1].planned


def test_a_seeded_experiment_promises_nothing() -> None:
    """With a noise seed the same command gives the same model, which claims nothing."""
    recipe = _recipe("cgan", private=True, noise_seed=3)

    one, two = (fit(recipe, _data()) for _ in range(2))

    assert one.claim is None
    assert TouchKind.UNACCOUNTED in {t.kind for t in one.touches}
    assert one.sample(50).frame.equals(two.sample(50).frame)
    first, second = (fit(_recipe("cgan", private=True), _data()) for _ in range(2))
    assert not first.sample(50).frame.equals(second.sample(50).frame)


def test_hardened_noise_trains() -> None:
    """The hardened stream is named in the recipe that the model keeps."""
    trained = fit(_recipe("cgan", private=True, noise="hardened"), _data())

    assert trained.recipe["noise"] == "hardened"
    assert trained.claim is not None


def test_delta_of_one_over_n() -> None:
    """A δ that allows a record to be published is refused before anything is read."""
    with pytest.raises(OptionError, match="1/n"):
        fit(_recipe("cgan", private=True, delta=1 / 400), _data())


def test_budget_total(tmp_path: Path) -> None:
    """Releases of one data set compose; an earlier plain one makes every total impossible."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    recipe, data = _recipe("cgan", private=True), _data()
    fit(recipe, data, ledger=ledger, dataset_id="d", budget_total=3.1)
    with pytest.raises(BudgetError, match="'d'"):
        fit(recipe, data, ledger=ledger, dataset_id="d", budget_total=3.1)
    fit(recipe, _data(300), ledger=ledger, dataset_id="other", budget_total=3.1)
    with pytest.raises(BudgetError, match="no ε"):
        fit(_recipe("cgan", private=False), data, ledger=ledger, dataset_id="e", budget_total=9)
    ledger.append(Touch(dataset="f", kind="unaccounted", scope="release", purpose="plain"))
    with pytest.raises(BudgetError, match="no ε"):
        fit(recipe, data, ledger=ledger, dataset_id="f", budget_total=9)


@pytest.mark.parametrize("name", ["D", "d2"])
def test_a_total_knows_the_same_records_by_another_name(tmp_path: Path, name: str) -> None:
    """Renamed data would start anew; without a total a name is the owner's affair."""
    ledger, recipe = PrivacyLedger(tmp_path / "l.sqlite"), _recipe("gan", private=True)
    fit(recipe, _data(), ledger=ledger, dataset_id="d")

    with pytest.raises(BudgetError, match="under the name 'd'"):
        fit(recipe, _data(), ledger=ledger, dataset_id=name, budget_total=9)
    fit(recipe, _data(), ledger=ledger, dataset_id=name)


def test_a_total_knows_of_trainings_that_keep_none(tmp_path: Path) -> None:
    """All that an open training may still spend counts, and once it is done what it charged."""
    ledger, recipe = PrivacyLedger(tmp_path / "l.sqlite"), _recipe("gan", private=True)
    refused: list[str] = []

    def beside(update: Update) -> None:
        if update.step == 1:
            with pytest.raises(BudgetError) as error:
                fit(recipe, _data(), ledger=ledger, dataset_id="d", budget_total=3.1)
            refused.append(str(error.value))

    fit(recipe, _data(), ledger=ledger, dataset_id="d", progress=beside)
    after = counted(e.touch for e in ledger.entries(dataset="d"))

    assert len(refused) == 1
    assert {t.kind for t in after} == {TouchKind.ACCOUNTED}


def test_a_training_is_reserved_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the number of records is paid for first, all of ε is reserved before that."""
    ledger, seen = PrivacyLedger(tmp_path / "l.sqlite"), []

    def stop(*_: object) -> None:
        seen.extend(counted(e.touch for e in ledger.entries(dataset="d")))
        raise KeyboardInterrupt

    monkeypatch.setattr("genaudit.training.dp.intake.take_in", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(_recipe("gan", private=True), _data(rows=None), ledger=ledger, dataset_id="d")
    [reserved] = seen

    assert together(reserved.spends, 1e-5, "zero-out") == pytest.approx(
        3.0, rel=1e-4
    )  # as fine as the accountant's grid
    assert not counted(e.touch for e in ledger.entries(dataset="d"))


def test_an_edited_ledger_pays_for_nothing(tmp_path: Path) -> None:
    """Charges made smaller by hand are found before records are read, total or not."""
    ledger, recipe = PrivacyLedger(tmp_path / "l.sqlite"), _recipe("gan", private=True)
    fit(recipe, _data(), ledger=ledger, dataset_id="d")
    with sqlite3.connect(ledger.path) as db:
        db.execute("UPDATE touch SET body = replace(body, 'poisson_gaussian', 'gaussian')")

    for total in (None, 9.0):
        with pytest.raises(IntegrityError, match="its own digests"):
            fit(recipe, _data(), ledger=ledger, dataset_id="d", budget_total=total)
    with pytest.raises(IntegrityError):
        ledger.entries()


@pytest.mark.parametrize(("total", "named"), [
    (float("nan"), "d"), (float("inf"), "d"), (0.0, "d"), (-1.0, "d"), (9.0, ""),
    (9.0, "undeclared-0123456789ab"),
])  # fmt: skip
@pytest.mark.parametrize("private", [True, False])
def test_a_total_that_nothing_is_held_to(
    tmp_path: Path, total: float, named: str, private: bool
) -> None:
    """No finite number above 0, or of data without a name: refused with an empty ledger."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")

    with pytest.raises(OptionError, match="--budget-total"):
        fit(_recipe("cgan", private=private), _data(), ledger=ledger, dataset_id=named,
            budget_total=total)  # fmt: skip
    assert ledger.entries() == []


@pytest.mark.parametrize("rows", ["public", pytest.param(None, marks=pytest.mark.slow)])
def test_a_budgeted_training_is_reserved_as_a_whole(tmp_path: Path, rows: str | None) -> None:
    """While it runs all of it counts, once it is stopped what it charged; never twice."""
    ledger, recipe = PrivacyLedger(tmp_path / "l.sqlite"), _recipe("cgan", private=True)
    data = _data(rows=rows)
    seen: list[float] = []

    def stop(update: Update) -> None:
        touches = counted(e.touch for e in ledger.entries(dataset="d"))
        seen.append(together([m for t in touches for m in t.spends], 1e-5, "zero-out"))
        if update.step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, data, ledger=ledger, dataset_id="d", budget_total=3.1, progress=stop)
    after = counted(e.touch for e in ledger.entries(dataset="d"))

    assert 2.9 < min(seen) <= max(seen) <= 3.0
    assert {t.kind for t in after} == {TouchKind.ACCOUNTED}
    assert together([m for t in after for m in t.spends], 1e-5, "zero-out") < 2.9


def test_a_budgeted_model_keeps_its_reservation_at_home(tmp_path: Path) -> None:
    """The released touches are the charges alone, without the name of the run."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")

    trained = fit(_recipe("cgan", private=True), _data(), ledger=ledger, dataset_id="d",
                  budget_total=3.1)  # fmt: skip
    kinds = [e.touch.kind for e in ledger.entries()]

    assert kinds.count(TouchKind.RESERVED) == 2
    assert TouchKind.RESERVED not in {t.kind for t in trained.touches}
    assert {t.run for t in trained.touches} == {""}


def test_drafts_and_experiments_have_no_total(tmp_path: Path) -> None:
    """What is read unpaid is refused under a total before it is read, so it spoils nothing."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    frame = _frame().drop(columns=["who", "amount", "town"])
    data = Dataset.of(frame, draft_schema(frame), "train")

    with pytest.raises(BudgetError, match="This release"):
        fit(_recipe("vae", private=True, preprocessing_epsilon=1.0), data, ledger=ledger,
            dataset_id="d", budget_total=9)  # fmt: skip
    with pytest.raises(BudgetError, match="This release"):
        fit(_recipe("vae", private=True, noise_seed=1), _data(), ledger=ledger,
            dataset_id="d", budget_total=9)  # fmt: skip
    assert ledger.entries() == []


def test_conditions() -> None:
    """Named columns are the condition; unknown ones and too many cells are refused."""
    data = _data()
    trained = fit(_recipe("cgan", private=False, condition=("town",)), data)

    assert trained.condition == ("town",)
    assert set(trained.sample(20, where={"town": "t7"}).frame["town"]) == {"t7"}
    with pytest.raises(OptionError, match="'nobody'"):
        fit(_recipe("vae", private=False, condition=("nobody",)), data)
    with pytest.raises(OptionError, match="at most 512"):
        fit(_recipe("vae", private=False, condition=("town", "age")), data)


def test_default_condition_stays_small() -> None:
    """Sensitive columns that make the condition too large are left out with a warning."""
    columns = [c.model_copy(update={"role": Role.SENSITIVE}) if c.name in ("town", "age") else c
               for c in _schema().columns]  # fmt: skip
    data = Dataset.of(_frame(), _schema().replace_columns(columns), "train")

    with pytest.warns(GenauditWarning, match="not conditioned on"):
        trained = fit(_recipe("cgan", private=False, steps=2), data)
    assert "yes" in trained.condition


def test_conditional_gan_without_condition_is_refused() -> None:
    """A table without target and sensitive columns has nothing to condition on."""
    schema = Schema.from_dict({"columns": {n: {"kind": "boolean"} for n in "ab"}, "rows": "public"})
    data = Dataset.of(pd.DataFrame({n: [True, False] * 20 for n in "ab"}), schema, "train")

    with pytest.raises(OptionError, match="condition"):
        fit(_recipe("cgan", private=False), data)
    assert len(fit(_recipe("vae", private=True), data).sample(7)) == 7


@pytest.mark.parametrize("kind", ["sequence", "audio", "text"])
@pytest.mark.parametrize("family", ["gan", "cgan"])
def test_a_gan_of_steps_is_recurrent_unless_told_otherwise(kind: str, family: str) -> None:
    """Its networks know the likelihood then; a gan of sounds alone is not, if nobody says so."""
    found = {}
    for told in (None, True, False):
        recipe = Recipe.of(family=family, recurrent=told)
        options = net_options(recipe, schema_of(kind), recipe.settled(100, kind))
        found[told] = options["recurrent"]

    assert found == {None: (kind, family) != ("audio", "gan"), True: True, False: False}


def test_records_without_steps_are_not_recurrent() -> None:
    """Asked of a table or of images, it is refused before anything is trained."""
    with pytest.raises(OptionError, match=r"records of steps .* leave recurrent out"):
        fit(_recipe("cgan", private=False, recurrent=True), _data())


def test_memory_is_refused_with_an_estimate() -> None:
    """Networks that would not fit into memory are refused by an estimate in bytes."""
    with pytest.raises(OptionError, match="bytes"):
        fit(_recipe("cgan", private=False, hidden=(100_000, 100_000)), _data())


def test_unknown_device_is_refused() -> None:
    """A device that torch does not know is named."""
    with pytest.raises(OptionError, match="'abacus'"):
        fit(_recipe("cgan", private=False, device="abacus"), _data())


@pytest.mark.parametrize("private", [False, True])
def test_plan_reads_nothing(private: bool) -> None:
    """A plan says what would be spent; a private number of records is not looked at."""
    lines = "\n".join(plan(_recipe("cgan", private=private), _data()))

    assert "noise multiplier" in lines
    hidden = Dataset.of(_frame(), _schema().replace(rows=None), "train")
    assert "400" not in "\n".join(plan(_recipe("cgan", private=True), hidden))


@pytest.mark.slow
def test_dependence_is_learned() -> None:
    """A column that copies another is a copy in the samples, and the target keeps its rates."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 1000)
    yes = rng.random(1000) < np.array([0.1, 0.4, 0.6, 0.9])[a]
    frame = pd.DataFrame({"a": a.astype(str), "copy": a.astype(str), "yes": yes})
    levels = {"kind": "categorical", "categories": list("0123")}
    schema = Schema.from_dict(
        {"rows": "public", "columns": {"a": levels, "copy": levels,
                                       "yes": {"kind": "boolean", "role": "target"}}}
    )  # fmt: skip
    data = Dataset.of(frame, schema, "train")

    for family in ("cgan", "vae"):
        made = fit(Recipe.of(family=family, steps=1000, batch_size=128, hidden=(64, 64)), data)
        records = made.sample(2000).frame
        agree = (records["a"].astype(str) == records["copy"].astype(str)).mean()
        rate = (records["yes"].astype(str) == "True").groupby(records["a"].astype(str)).mean()
        assert agree > 0.8, family
        assert rate["3"] - rate["0"] > 0.5, family


@pytest.mark.parametrize("changed", ["noise", "one left out", "none left"])
def test_a_record_that_was_changed_by_hand_is_found(tmp_path: Path, changed: str) -> None:
    """A model that says it read less than its ledger holds is refused where both are at hand."""
    ledger = PrivacyLedger(tmp_path / "ledger.sqlite")
    trained = fit(_recipe("gan", private=True), _data(), ledger=ledger, dataset_id="d")
    assert trained.ledger is not None
    ledger.check_lineage(trained.ledger, trained.touches)

    touches = list(trained.touches)
    part = touches[-1].mechanism
    assert part is not None
    match changed:
        case "noise":
            louder = part.model_copy(update={"noise_multiplier": 500.0})
            touches[-1] = touches[-1].model_copy(update={"mechanism": louder})
        case "one left out":
            touches.pop(1)
        case "none left":
            touches = []
    with pytest.raises(IntegrityError, match="changed by hand"):
        ledger.check_lineage(trained.ledger, touches)
    PrivacyLedger(tmp_path / "other.sqlite").check_lineage(trained.ledger, touches)
    assert not list(tmp_path.glob("other*"))
