"""A checkpoint beside its subject: scores by family, true to their formulas, of this training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import media
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from genaudit import api
from genaudit.__main__ import main
from genaudit.data.canaries import beside
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import DataError, GenauditWarning
from genaudit.models.store import Trained
from genaudit.plan import AuditPlan
from genaudit.result import AuditReport, Status
from genaudit.stats.roc import auc
from genaudit.subject import Subject
from genaudit.subjects.checkpoint import Opened
from genaudit.subjects.trained import from_model

SCHEMA = Schema.from_dict({"rows": "public", "id": "people", "columns": {
    "age": {"kind": "integer", "bounds": [18, 90]},
    "income": {"kind": "numeric", "bounds": [0, 1000]},
    "town": {"kind": "categorical", "categories": list("abcdefgh")},
    "job": {"kind": "categorical", "categories": list("stuvwxyz")},
    "sex": {"kind": "categorical", "role": "sensitive", "categories": ["f", "m"]},
    "ill": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
}})  # fmt: skip

#: Enough room and steps to learn so few rows by heart.
BY_HEART = {"steps": 300, "batch_size": 25, "hidden": (96,), "components": 24,
            "fit_steps": 2, "r1": 0.0}  # fmt: skip

ATTACKS = ("discriminator", "elbo", "gradient_norm", "iwae", "reconstruction_error",
           "teacher_forced")  # fmt: skip


def people(n: int, seed: int) -> pd.DataFrame:
    """Rows whose columns have nothing to do with each other: there is nothing to learn but rows."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "age": rng.integers(18, 91, n), "income": rng.uniform(0, 1000, n).round(2),
        "town": rng.choice(list("abcdefgh"), n), "job": rng.choice(list("stuvwxyz"), n),
        "sex": rng.choice(["f", "m"], n), "ill": rng.choice(["no", "yes"], n),
    })  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A training, with the folder of its ledger and checkpoint, and unseen rows."""

    model: Trained
    folder: Path
    train: pd.DataFrame
    holdout: pd.DataFrame

    @property
    def opened(self) -> Opened:
        """Its checkpoint."""
        return Opened.read(self.folder / "state", self.model)

    @property
    def subject(self) -> Subject:
        """Its model with what the checkpoint knows."""
        return self.opened.join(from_model(self.model), self.model.schema)

    def data(self, raw: pd.DataFrame) -> Dataset:
        """Rows under the model's schema."""
        return Dataset.of(raw, self.model.schema)

    def audit(self, *audits: str, **options: object) -> AuditReport:
        """Some audits of the model with its checkpoint; by default all that ask it."""
        plan = AuditPlan(audits=audits or tuple(f"privacy.{a}" for a in ATTACKS))
        given = {"ledger": self.folder / "ledger.sqlite", "checkpoint": self.folder / "state",
                 "train": self.train, "holdout": self.holdout, "plan": plan, **options}  # fmt: skip
        return api.audit(self.model, strict=True, **given)  # type: ignore[arg-type]


def made(folder: Path, train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema,
         model: str, **options: object) -> Made:  # fmt: skip
    """A training that leaves a checkpoint."""
    trained = api.train(
        train, schema, model=model, ledger=folder / "ledger.sqlite", checkpoint=folder / "state",
        **options,
    )  # fmt: skip
    return Made(trained, folder, train, holdout)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Each family, with 100 rows learned by heart."""
    return {
        model: made(tmp_path_factory.mktemp(model), people(100, 1), people(300, 2), SCHEMA, model,
                    **BY_HEART, **({"latent": 6, "kl": 0.2} if model == "vae" else {}))
        for model in ("gan", "vae")
    }  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """A few steps on images and texts."""
    chosen = {"image": "gan", "text": "cgan", "sequence": "vae"}
    return {
        kind: made(tmp_path_factory.mktemp(kind), media.population(kind, 30, 1),
                   media.population(kind, 30, 2), media.schema_of(kind), model,
                   steps=4, batch_size=10, hidden=(8,))
        for kind, model in chosen.items()
    }  # fmt: skip


def test_each_family_has_the_scores_that_its_networks_give(
    tables: dict[str, Made], records: dict[str, Made]
) -> None:
    """Adversarial ones, bounds on the likelihood, and surprise where steps are made in order."""
    everything = {**tables, **records}
    names = {name: set(m.subject.scores) for name, m in everything.items()}

    assert names["image"] == {"discriminator", "gradient_norm", "reconstruction"}
    assert names["sequence"] == {"elbo", "gradient_norm", "iwae"}
    assert names["text"] == {*names["image"], "teacher_forced"}
    assert names["gan"] == {*names["image"], "likelihood"}
    assert names["vae"] == {*names["sequence"], "likelihood"}
    for m in everything.values():
        assert m.subject.weights
        assert {"scores", "weights"} <= set(m.subject.access)


def test_scores_of_records_are_finite(records: dict[str, Made]) -> None:
    """Images, series and texts reach the networks as they were trained on them."""
    for m in records.values():
        data = m.data(m.holdout)
        for score in m.subject.scores.values():
            found = score(data)

            assert found.shape == (len(data),)
            assert np.isfinite(found).all()


def test_rows_learned_by_heart_are_found(tables: dict[str, Made]) -> None:
    """Discriminator, gradients and both bounds tell 100 training rows from unseen ones."""
    for model, expected in (("gan", ("discriminator", "gradient_norm")), ("vae", ("elbo", "iwae"))):
        report = tables[model].audit()
        areas = {f.metric: f.estimate for _, f in report.findings() if f.metric.endswith(".auc")}

        for attack in expected:
            found = areas[f"privacy.{attack}.auc"]
            assert found.low is not None
            assert found.low > 0.5, (model, attack, found.value)
        assert {"scores", "weights"} <= set(report.access)
        for section in report.sections:
            assert (section.status is Status.RAN) == bool(section.findings)
            assert section.findings or "has no score" in section.reason.english


def test_strangers_alone_are_not_found(tables: dict[str, Made]) -> None:
    """Unseen rows against other unseen rows: every area holds one half."""
    for m in tables.values():
        for score in m.subject.scores.values():
            one, other = (score(m.data(people(300, seed))) for seed in (5, 6))
            low, high = auc(one, other).interval(0.999)

            assert low < 0.5 < high


def _naive(m: Made, rows: Dataset) -> tuple[object, torch.Tensor, torch.Tensor]:
    """The family with its rows as tensors, made without what is tested."""
    model = m.subject.scores["gradient_norm"].__self__  # type: ignore[attr-defined]
    batch = model.work.batches(model._numbers(rows))
    return (model.work.family, *batch(np.arange(len(rows))))


def test_a_gradient_norm_is_that_of_one_row(tables: dict[str, Made]) -> None:
    """Of a discriminator: the gradient of each row's own loss, by plain autograd."""
    m = tables["gan"]
    rows = m.data(m.train).take(np.arange(5))
    family, records, conditions = _naive(m, rows)
    expected = []
    for i in range(5):
        family.discriminator.zero_grad()
        logit = family.discriminator(torch.cat([records, conditions], 1)[i : i + 1])[0]
        functional.binary_cross_entropy_with_logits(logit, torch.ones(1)).backward()
        expected.append(
            sum(float(p.grad.square().sum()) for p in family.discriminator.parameters())
        )

    assert np.allclose(m.subject.scores["gradient_norm"](rows), -0.5 * np.log(expected), rtol=1e-4)


def test_the_nearest_component_reconstructs(tables: dict[str, Made]) -> None:
    """Of a mixture: the least squared distance over its components, one by one."""
    m = tables["gan"]
    rows = m.data(m.train).take(np.arange(5))
    family, records, conditions = _naive(m, rows)
    wanted = torch.cat([records, conditions], 1)
    with torch.no_grad():
        each = family.released.filled(family.released.log_shares().exp())
        expected = [-min(float((row - made).square().sum()) for made in each) for row in wanted]

    assert np.allclose(m.subject.scores["reconstruction"](rows), expected, atol=1e-4)


def test_a_mixture_knows_its_likelihood(tables: dict[str, Made]) -> None:
    """The model folder's own score is that of the mixture in training, whatever it was saved as."""
    m = tables["gan"]
    rows = m.data(m.train).take(np.arange(5))
    family, records, conditions = _naive(m, rows)
    family.finish()
    with torch.no_grad():
        expected = family.released.log_likelihood(torch.cat([records, conditions], 1))

    assert np.allclose(from_model(m.model).scores["likelihood"](rows), expected, atol=1e-3)


def test_bounds_of_a_vae_stand_in_order(tables: dict[str, Made]) -> None:
    """The mean over draws is near to the loss with its divergence in closed form; IWAE is above."""
    m = tables["vae"]
    rows = m.data(m.train)
    family, records, conditions = _naive(m, rows)
    noise = torch.randn(200, len(rows), family.nets.latent)
    with torch.no_grad():
        parts = [family.module(records, conditions, one) for one in noise]
        mean, log_variance = parts[0][1:]
        surprise = torch.stack([family.nets.surprise(p[0], records) for p in parts]).mean(0)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    elbo, iwae = (m.subject.scores[name](rows) for name in ("elbo", "iwae"))

    assert abs(float((elbo + (surprise + divergence).numpy()).mean())) < 0.5
    assert (iwae >= elbo).all()


def test_a_search_of_latents_comes_nearer(records: dict[str, Made]) -> None:
    """What was made of a latent is found again, nearer than by draws alone."""
    m = records["image"]
    rows = m.data(m.holdout).take(np.arange(8))
    family, flat, conditions = _naive(m, rows)
    maker = family.released.maker
    attributes = torch.cat([flat[:, family.nets.width :], conditions], 1)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made = maker(maker.noise(8, rng), attributes)
        other = (maker(maker.noise(8, rng), attributes) - made).square().mean(1)
    found = family.misfit(torch.cat([made, flat[:, family.nets.width :]], 1), conditions, rng)

    assert (found < other).all()
    assert float(found.mean()) < 0.5 * float(other.mean())


def test_numbers_beyond_all_cells_are_in_the_last(tables: dict[str, Made]) -> None:
    """A value above what was trained on is read as the largest one, never as the least."""
    m = tables["gan"]
    model = m.subject.scores["gradient_norm"].__self__  # type: ignore[attr-defined]
    rows = m.data(m.train.assign(income=1000.0, age=90))
    cells = model.opened.found.basis.layout.grid
    numbers = model._numbers(rows)
    largest = m.data(m.train.assign(income=m.train["income"].max(), age=m.train["age"].max()))

    assert cells.names[:2] == ("age", "income")
    assert (numbers.digits[:, :2] == model._numbers(largest).digits[:, :2]).all()


def test_a_checkpoint_of_something_else_is_refused(
    tables: dict[str, Made], records: dict[str, Made], tmp_path: Path
) -> None:
    """Another training, other rows, another schema, or no checkpoint: one sentence, exit 2."""
    gan, other, image = tables["gan"], tables["vae"], records["image"]
    cases = (
        ({"checkpoint": other.folder / "state"}, "got that of another training"),
        ({"train": people(100, 3)}, "is of other records than train"),
        ({"checkpoint": tmp_path / "none"}, "Expected a checkpoint in"),
    )
    for options, said in cases:
        with pytest.raises(DataError, match=said) as caught:
            gan.audit(**options)
        assert caught.value.exit_code == 2
    with pytest.raises(DataError, match="is in one of the two alone"):
        image.opened.join(from_model(gan.model), SCHEMA)


def test_rows_in_another_order_are_the_same_rows(tables: dict[str, Made]) -> None:
    """The ledger knows the rows in any order; with another ledger a warning says that it cannot."""
    m = tables["gan"]
    shuffled = m.train.sample(frac=1, random_state=1)

    assert m.audit("privacy.discriminator", train=shuffled).findings()
    with pytest.warns(GenauditWarning, match="charged to another ledger"):
        m.audit("privacy.discriminator", ledger=m.folder / "other.sqlite")


def test_canaries_among_the_rows_are_known(tmp_path: Path) -> None:
    """Rows as the file has them are those of a training that planted canaries among them."""
    rows, state = people(150, 1), tmp_path / "state"
    model = api.train(rows, SCHEMA, model="vae", preset="quick", steps=5, checkpoint=state,
                      canaries=60, ledger=tmp_path / "ledger.sqlite")  # fmt: skip
    plan = AuditPlan(audits=("privacy.elbo", "privacy.canaries"))
    known = {"holdout": people(150, 2), "canaries": beside(state), "checkpoint": state,
             "ledger": tmp_path / "ledger.sqlite", "plan": plan}  # fmt: skip

    assert all(s.status == "ran" for s in api.audit(model, train=rows, **known).sections
               if s.audit in plan.audits)  # fmt: skip
    with pytest.raises(DataError, match="is of other records than train"):
        api.audit(model, train=people(150, 5), **known)


def test_samples_alone_may_stand_beside_a_checkpoint(tables: dict[str, Made]) -> None:
    """A file of samples is read under the checkpoint's schema."""
    m = tables["vae"]
    report = api.audit(
        m.model.sample(200).to_frame(), train=m.train, holdout=m.holdout, strict=True,
        checkpoint=m.folder / "state", ledger=m.folder / "ledger.sqlite",
        plan=AuditPlan(audits=("privacy.elbo",)),
    )  # fmt: skip

    assert report.findings()


def test_the_command_line(
    tables: dict[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`audit --checkpoint` writes findings of scores, and refuses another training with exit 2."""
    m, other = tables["vae"], tables["gan"]
    m.model.save(tmp_path / "model")
    for name, raw in (("train", m.train), ("holdout", m.holdout)):
        raw.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "plan.toml").write_text('audits = ["privacy.iwae"]')

    def code(state: Path, out: str) -> int:
        words = ["audit", "model", "--train", "train.csv", "--holdout", "holdout.csv", "--plan",
                 "plan.toml", "--checkpoint", str(state), "--ledger",
                 str(m.folder / "ledger.sqlite"), "--out", out, "--quiet"]  # fmt: skip
        monkeypatch.setattr("sys.argv", ["genaudit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    monkeypatch.chdir(tmp_path)

    assert code(m.folder / "state", "one.json") == 0
    assert "privacy.iwae.auc" in json.dumps(json.loads(Path("one.json").read_text()))
    assert code(other.folder / "state", "two.json") == 2
    assert not Path("two.json").exists()
    assert "got that of another training" in capsys.readouterr().err
