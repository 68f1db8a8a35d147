"""Inference: secrets by roles, what is known drawn by seed, copies found and nobody accused."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, make_case, population

from genaudit.audits.privacy._game import game
from genaudit.audits.privacy.inference import (
    InferenceOptions,
    _known,
    _secrets,
    inference,
    inferred,
)


def test_secrets_are_what_the_schema_names():
    """Sensitive columns and the target; without roles every column, or eight of them."""
    rng = np.random.default_rng(0)
    plain = [c.model_copy(update={"role": "feature"}) for c in SCHEMA.columns]

    assert _secrets(SCHEMA.columns, rng) == ["sex", "hired"]
    assert _secrets(plain, rng) == [c.name for c in plain]
    assert len(_secrets([*plain, *plain], rng)) == 8


def test_what_is_known_never_holds_the_secret():
    """All other columns first, then different halves of them."""
    sets = _known(SCHEMA.columns, "sex", 4, np.random.default_rng(0))

    assert all("sex" not in known for known in sets)
    assert [len(known) for known in sets] == [6, 3, 3, 3]
    assert len(set(sets)) == 4


@pytest.mark.parametrize(("secret", "tolerance"), [("sex", 0.0), ("income", 0.025)])
def test_naive_twin(secret, tolerance):
    """The nearest sample row by row, and its value."""
    case = make_case("half_copy", 3, n_train=80, n_holdout=80, n_samples=80)
    played, _ = game(case)
    space, rows, pool = played.space, played.records[0], played.samples
    known = frozenset(c.name for c in space.columns if c.name != secret)
    near, (a, b) = space.part(known, rows, pool)
    first = np.concatenate([d.argmin(axis=1) for _, d in near.squared(a, b)])
    _, (told, answers) = space.part({secret}, rows, pool)
    guess = answers.take(first)
    if tolerance == 0:
        expected = guess.codes[:, 0] == told.codes[:, 0]
    else:
        x, y = guess.numbers[:, 0], told.numbers[:, 0]
        expected = (abs(x - y) <= tolerance * space.unit) | (np.isnan(x) & np.isnan(y))

    assert inferred(space, rows, pool, secret, known, tolerance).tolist() == expected.tolist()


def test_copies_are_found_and_nobody_accused():
    """Copied rows give their secrets away; honest samples say as much of anybody."""
    leak, honest = (inference(make_case(k, 5, n_train=1200, n_holdout=2400)).findings
                    for k in ("copycat", "honest"))  # fmt: skip

    for risk, calm in zip(leak, honest, strict=True):
        assert risk.estimate.low > 0.2
        assert calm.estimate.low <= 0 <= calm.estimate.high
    assert "sex" in leak[1].note.english
    assert "none" in honest[1].note.english


def test_what_holds_for_everybody_is_no_leak():
    """A target that follows from another column is guessed well, of unseen rows as well."""

    def told(seed):
        rows = population(900, seed)
        return rows.assign(hired=np.where(rows["remote"], "yes", "no"))

    risk, worst = inference(case_of(told(1), told(2), told(3))).findings

    assert int(risk.note.params["control"]) > 0.6 * risk.estimate.n / 2
    assert risk.estimate.low <= 0
    assert worst.estimate.low <= 0


def test_numbers_strings_dates_and_gaps_run():
    """Each kind of column is guessed as it is, in a schema without roles."""
    n = 400
    schema = {
        "id": "kinds",
        "columns": {
            "when": {"kind": "datetime", "bounds": ["2020-01-01", "2024-01-01"], "nullable": True},
            "word": {"kind": "categorical", "categories": ["ä", "b c", "NA?"], "nullable": True},
            "flag": {"kind": "boolean", "nullable": True},
            "size": {"kind": "numeric", "bounds": [0, 1], "nullable": True},
        },
    }

    def rows(seed):
        rng = np.random.default_rng(seed)
        days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 1400, n), unit="D")
        made = pd.DataFrame({"when": days, "word": rng.choice(["ä", "b c", "NA?"], n),
                             "flag": rng.random(n) < 0.5, "size": rng.random(n)})  # fmt: skip
        return made.astype(object).mask(rng.random((n, 4)) < 0.1)

    train = rows(1)
    case = case_of(train, train, rows(2), schema=type(SCHEMA).from_dict(schema))
    risk, worst = inference(case, InferenceOptions(sets=2)).findings

    assert risk.estimate.low > 0
    assert worst.estimate.low > 0
