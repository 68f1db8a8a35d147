"""Every cell of family, modality and regime keeps one contract; none can be left out."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny

import genaudit as ga
from genaudit import api
from genaudit.cli import app
from genaudit.data.dataset import Dataset
from genaudit.data.record import as_column
from genaudit.data.schema import MODALITIES, Kind
from genaudit.errors import GenauditError, GenauditWarning, OptionError
from genaudit.modalities import files
from genaudit.models import FAMILIES
from genaudit.render import html
from genaudit.training import presets
from genaudit.training.dp.selfcheck.examine import examine
from genaudit.training.dp.selfcheck.ours import OURS
from genaudit.training.dp.selfcheck.outcome import Status
from genaudit.training.fit import Update

#: Numbers of a training that lasts a second.
SMALL: dict[str, Any] = {"steps": 8, "batch_size": 16, "hidden": (8,)}

#: The same for a table, which alone is made by a mixture.
MIXTURE: dict[str, Any] = {"components": 5, "fit_steps": 5}

#: What several records of a kind are called.
NOUNS = {
    "table": "rows", "image": "images", "sequence": "series", "audio": "sounds", "text": "texts",
}  # fmt: skip

CELLS = list(itertools.product(FAMILIES, tiny.KINDS, ("plain", "private")))

#: Sounds are series to the networks, so that the quick tests have every modality without them.
PARAMS = [pytest.param(c, marks=pytest.mark.slow) if c[1] == "audio" else c for c in CELLS]

#: Checks of a second; all of them on all cells: `tests/selfcheck`, slow.
QUICK_CHECKS = {
    "clipping.influence", "clipping.not_finite", "accounting.charged", "release.handle"
}  # fmt: skip


def test_no_cell_is_left_out() -> None:
    """There are three families, all kinds of records with their modalities, and two regimes."""
    modalities = {"table", *(MODALITIES[Kind(kind)] for kind in tiny.KINDS if kind != "table")}

    assert set(FAMILIES) == {"gan", "vae", "cgan"}
    assert modalities == {"table", "image", "sequence", "text"}
    assert {Kind(kind) for kind in tiny.KINDS if kind != "table"} == set(MODALITIES)
    assert len(CELLS) == len(FAMILIES) * len(tiny.KINDS) * 2


@dataclass(frozen=True)
class Cell:
    """A trained cell. seen: what its progress said."""

    family: str
    kind: str
    private: bool
    model: Any
    seen: list[Update]

    @property
    def small(self) -> dict[str, Any]:
        """What makes its training short."""
        return {**SMALL, **(MIXTURE if self.kind == "table" else {})}

    def options(self) -> dict[str, Any]:
        """Of a training like that of its model."""
        budget = {"epsilon": 8.0, "delta": 1e-3} if self.private else {}
        return {"model": self.family, **self.small, **budget}


@pytest.fixture(scope="module", params=PARAMS, ids="-".join)
def cell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cell:
    """One trained model for all tests of a cell."""
    family, kind, regime = request.param
    empty = Cell(family, kind, regime == "private", None, [])
    ledger = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    model = ga.train(
        tiny.frame_of(kind), tiny.schema_of(kind), ledger=ledger, progress=empty.seen.append,
        **empty.options(),
    )  # fmt: skip
    return Cell(family, kind, empty.private, model, empty.seen)


def _same(one: Dataset, other: Dataset) -> bool:
    pairs = zip(one.to_frame().items(), other.to_frame().items(), strict=True)
    return all(
        all(np.array_equal(x, y) or (pd.isna(x) is True and pd.isna(y) is True)
            for x, y in zip(a, b, strict=True))
        for (_, a), (_, b) in pairs
    )  # fmt: skip


def test_training_shows_progress_and_live_quality(cell: Cell) -> None:
    """Every step is told, some with a quality; the last state's quality is in the history."""
    assert [update.step for update in cell.seen] == list(range(1, SMALL["steps"] + 1))
    assert any(update.quality is not None for update in cell.seen)
    assert cell.model.history[-1]["step"] == SMALL["steps"]
    assert np.isfinite(cell.model.history[-1]["quality"])


def test_claim(cell: Cell) -> None:
    """A private cell claims its budget, a plain one nothing; a series is one person's."""
    claim = cell.model.claim

    assert (claim is not None) == cell.private
    if claim is not None:
        assert (claim.epsilon, claim.delta) == (8.0, 1e-3)
        assert claim.unit == ("person" if cell.kind == "sequence" else "record")


@pytest.mark.parametrize(("family", "kind"), [
    pytest.param(f, k, marks=pytest.mark.slow) if k == "audio" else (f, k)
    for f, k in itertools.product(FAMILIES, tiny.KINDS)
])  # fmt: skip
def test_self_check(family: str, kind: str) -> None:
    """Every private cell clips, charges and lets go of records; the slow tests run all checks."""
    name = family if kind == "table" else f"{family} of {kind} records"
    report = examine(OURS[name], name=name, only=QUICK_CHECKS)

    assert {o.check: o.status for o in report.outcomes} == dict.fromkeys(
        QUICK_CHECKS, Status.PASSED
    )


def test_history_of_a_private_cell_holds_nothing_of_records(cell: Cell) -> None:
    """Losses on records are shown by plain training alone."""
    losses = [name for entry in cell.model.history for name in entry if name == "loss"]

    assert bool(losses) != cell.private


def test_exactly_n_records_that_fit_the_schema(cell: Cell) -> None:
    """So many records as were asked for, each of which the schema allows."""
    made = cell.model.sample(37, seed=1)

    assert len(made) == 37
    checked = Dataset.of_samples(made.to_frame(), cell.model.schema)
    assert not checked.invalid
    assert len(cell.model.sample(0)) == 0


def test_the_same_seed_gives_the_same_samples(cell: Cell, tmp_path: Path) -> None:
    """Before and after saving; another seed gives others."""
    loaded = ga.load(cell.model.save(tmp_path / "model"))

    assert _same(loaded.sample(20, seed=3), cell.model.sample(20, seed=3))
    assert not _same(loaded.sample(20, seed=4), loaded.sample(20, seed=3))


def test_conditions(cell: Cell) -> None:
    """All records have what is asked for; a GAN waits for it, the others set it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GenauditWarning)  # a GAN may return short, and says so
        made = cell.model.sample(25, seed=0, where={"group": "b", "label": "no"})

    assert (made.frame["group"] == "b").all()
    assert (made.frame["label"] == "no").all()
    assert len(made) == 25 or cell.family == "gan"
    assert (set(cell.model.condition) == {"group", "label"}) == (cell.family != "gan")


def test_going_on_from_a_checkpoint(cell: Cell, tmp_path: Path) -> None:
    """A stopped training goes on; a plain one makes the model that it would have made."""
    ledger, place = tmp_path / "ledger.sqlite", tmp_path / "state"

    def stop(update: Update) -> None:
        if update.step == SMALL["steps"] // 2 + 1:
            raise KeyboardInterrupt

    frame, schema = tiny.frame_of(cell.kind), tiny.schema_of(cell.kind)
    with pytest.raises(KeyboardInterrupt):
        ga.train(frame, schema, ledger=ledger, checkpoint=place, progress=stop, **cell.options())
    with pytest.warns(GenauditWarning, match="Resumed"):
        went_on = api.resume(frame, place, ledger=ledger)

    assert len(went_on.sample(5)) == 5
    if not cell.private:
        assert _same(went_on.sample(20, seed=3), cell.model.sample(20, seed=3))


def test_command_line(cell: Cell, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained from a file or folder of its own form, sampled into one, and that read back."""
    data = tiny.write(cell.kind, tiny.frame_of(cell.kind), tmp_path, "data")
    (tmp_path / "schema.toml").write_text(tiny.schema_of(cell.kind).to_toml(), "utf-8")
    lines = [f"{name} = {list(v) if isinstance(v, tuple) else v}" for name, v in cell.small.items()]
    (tmp_path / "recipe.toml").write_text("\n".join(lines), "utf-8")
    budget = ["--epsilon", "8", "--delta", "1e-3"] if cell.private else []
    out = {"image": "made", "audio": "made"}.get(cell.kind, "made.csv")

    for words in (
        ["train", str(data), "--schema", str(tmp_path / "schema.toml"), "--model", cell.family,
         "--config", str(tmp_path / "recipe.toml"), "--ledger", str(tmp_path / "l.sqlite"),
         "--out", str(tmp_path / "model"), *budget],
        ["sample", str(tmp_path / "model"), "-n", "6", "--out", str(tmp_path / out)],
    ):  # fmt: skip
        app(words, standalone_mode=False)
    read = files.read(tmp_path / out, "samples", tiny.schema_of(cell.kind).record)

    assert len(read) == 6
    assert {"label", "group"} <= set(read.columns)
    assert f"Wrote 6 {NOUNS[cell.kind]} to " in capsys.readouterr().err


def test_what_does_not_fit_is_refused_with_an_estimate(cell: Cell) -> None:
    """A sentence names the bytes before any memory is taken."""
    with pytest.raises(GenauditError, match=r"about [\d,]+ bytes"):
        cell.model.sample(10**12)
    with pytest.raises(GenauditError, match=r"about [\d,]+ bytes"):
        ga.train(
            tiny.frame_of(cell.kind), tiny.schema_of(cell.kind),
            **{**cell.options(), "hidden": (60_000,) * (1 + (cell.kind == "table"))},
        )  # fmt: skip


def test_audits_and_report(cell: Cell) -> None:
    """Distance, representation, downstream fairness and copies run, and the page shows samples."""
    train, holdout = tiny.frame_of(cell.kind, 90), tiny.frame_of(cell.kind, 90, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GenauditWarning)
        report = ga.audit(cell.model, train=train, holdout=holdout, plan="quick")
    ran = {section.audit for section in report.sections if section.status == "ran"}
    page = html.to_html(report)

    assert {
        "privacy.distance", "privacy.copies", "bias.representation", "bias.downstream"
    } <= ran  # fmt: skip
    assert not [s.audit for s in report.sections if s.status == "failed"]
    if cell.kind != "table":
        assert "quality.samples" in ran
        assert {"image": "data:image/png", "audio": "data:audio/wav", "sequence": "<svg",
                "text": "<li"}[cell.kind] in page  # fmt: skip


@pytest.mark.parametrize(("family", "kind", "private"),
                         [(f, k, r == "private") for f, k, r in CELLS])  # fmt: skip
def test_presets(family: str, kind: str, private: bool) -> None:
    """Every cell has numbers of its own for both presets, the quick one with fewer steps."""
    quick, standard = (
        presets.numbers(kind, family, name, private=private) for name in ("quick", "standard")
    )

    assert quick["steps"] < standard["steps"]
    assert kind == "table" or (kind, family, private) in presets._RECORDS


@pytest.mark.parametrize("kind", ["image", "sequence", "audio", "text"])
def test_without_a_schema(kind: str, tmp_path: Path) -> None:
    """A folder or file of records is enough for plain training, and for an audit of its samples."""
    frame = tiny.frame_of(kind).drop(columns=["label", "group", "who"], errors="ignore")
    name = {"image": "x", "audio": "x", "text": "x.txt", "sequence": "x.npz"}[kind]
    record = tiny.schema_of(kind).record
    assert record is not None
    place = files.write(frame, tmp_path / name, record)
    with pytest.warns(GenauditWarning, match="drafted"):
        model = ga.train(place, model="vae", **SMALL, ledger=tmp_path / "ledger.sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GenauditWarning)
        report = ga.audit(
            model.sample(60).to_frame(), train=place, plan="quick", ledger=tmp_path / "l.sqlite"
        )

    assert report.modality == kind
    assert len(model.sample(5)) == 5


def test_windows_of_one_entity_are_one_persons() -> None:
    """A schema that would count them as independent is refused."""
    with pytest.raises(GenauditError, match="role person"):
        ga.Schema.from_dict({"columns": {
            "series": {"kind": "sequence", "channels": ["u"], "entity": "who", "time": "t",
                       "window": 3},
            "who": {"kind": "integer", "role": "id"},
        }})  # fmt: skip


def _refused(
    place: Path, unit: str | None, series: dict[str, Any], columns: dict[str, dict[str, str]]
) -> str:
    """What a private training on short series says, which takes a part of them for a unit."""
    record = {"kind": "sequence", "channels": ["u"], "channel_bounds": [[0, 1]], "max_length": 3}
    side = {"kind": "categorical", "categories": ["left", "right"]}
    schema = ga.Schema.from_dict(
        {"rows": "public", "columns": {"series": {**record, **series}, **columns, "side": side}}
    )
    with pytest.raises(GenauditError) as refused:
        ga.train(
            place, schema, model="vae", epsilon=5, delta=1e-3, unit=unit,
            ledger=place.with_name("ledger.sqlite"), **SMALL,
        )  # fmt: skip
    return str(refused.value)


@pytest.mark.parametrize("unit", [None, "record"])
def test_no_window_is_a_unit(unit: str | None, tmp_path: Path) -> None:
    """Under privacy one window is refused as the unit, and no sentence recommends it."""
    panel = pd.DataFrame({"who": np.repeat([f"p{i}" for i in range(8)], 6), "side": "left"})
    panel["t"], panel["u"] = np.tile(np.arange(6), 8), 0.5
    panel.to_csv(tmp_path / "panel.csv", index=False)
    said = _refused(
        tmp_path / "panel.csv", unit, {"entity": "who", "time": "t", "window": 3},
        {"who": {"kind": "categorical", "role": "person"}},
    )  # fmt: skip

    assert "windows of one" in said
    assert "--rows-per-person" in said
    assert "with --unit record" not in said


@pytest.mark.parametrize(
    ("entity", "role", "unit"),
    [("who", "person", None), ("who", "person", "record"), ("who", "id", "record"),
     ("who", "id", None), ("piece", "person", "record")],
)  # fmt: skip
def test_no_part_of_a_series_is_a_unit(
    entity: str, role: str, unit: str | None, tmp_path: Path
) -> None:
    """Series that were cut before they came are parts of their entity's as windows are.

    So they are of a person's where each piece is an entity of its own.
    """
    np.savez(
        tmp_path / "cut.npz", series=np.full((16, 3, 1), 0.5, np.float32),
        who=np.repeat([f"p{i}" for i in range(8)], 2), piece=np.arange(16).astype(str),
        side=np.repeat(["left", "right"], 8),
    )  # fmt: skip
    said = _refused(
        tmp_path / "cut.npz", unit, {"entity": entity, "time": "t"},
        {"who": {"kind": "categorical", "role": role},
         "piece": {"kind": "categorical", "role": "id"}},
    )  # fmt: skip

    assert "series" in said
    assert "--rows-per-person" in said
    assert "with --unit record" not in said


def test_another_sampling_rate_is_refused(tmp_path: Path) -> None:
    """Sounds of another rate than the schema declares would have other pitches."""
    place = tiny.write("audio", tiny.frame_of("audio", 6), tmp_path, "sounds")
    column = tiny.schema_of("audio")["audio"].model_copy(update={"rate": 8000})

    with pytest.raises(GenauditError, match="8,000 samples a second"):
        files.read(place, "train", column)


@pytest.mark.parametrize("kind", ["image", "audio"])
@pytest.mark.parametrize("name", ["made.zip", "made.tar.gz", "made.WAV", "made.jpeg", "made.csv"])
def test_a_folder_is_not_named_as_a_file(kind: str, name: str) -> None:
    """Images and sounds are a folder, and none that looks like an archive or one picture."""
    with pytest.raises(OptionError, match="name a folder"):
        files.check_out(Path(name), tiny.schema_of(kind).record)
    assert files.check_out(Path("made.v2"), tiny.schema_of(kind).record) == ""


def test_series_of_unequal_channels_are_refused(tmp_path: Path) -> None:
    """A schema that leaves them open cannot be learned from cells that disagree."""
    frame = pd.DataFrame({"series": as_column([np.zeros((3, 2)), np.zeros((3, 3))] * 4)})

    with pytest.raises(GenauditError, match="channels"):
        ga.train(frame, ga.Schema.from_dict({"columns": {"series": {"kind": "sequence"}}}),
                 model="vae", ledger=tmp_path / "ledger.sqlite", **SMALL)  # fmt: skip
