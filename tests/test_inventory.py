"""What releases add up to: only what adds up, and all that is reserved."""

from __future__ import annotations

from genaudit import inventory
from genaudit.ledger import Entry, Mechanism, Touch

HALF = Mechanism(name="pure", epsilon=0.5)


def _lines(*touches: dict[str, object]) -> list[str]:
    usual = {"dataset": "d", "kind": "accounted", "scope": "release", "purpose": "p"}
    entries = [Entry(i, Touch.model_validate({**usual, **t}), "") for i, t in enumerate(touches)]
    return inventory.spent(entries)


def test_units_are_never_added_up() -> None:
    """Records and persons have a line each, with their own sum."""
    paid = {"mechanism": HALF, "relation": "add-remove"}

    records, persons = _lines(paid, paid, {**paid, "unit": "person"})

    assert records.startswith("d: all accounted releases together spend at most ε = 1 at δ = 1e-06")
    assert records.endswith("for one record (add-remove)")
    assert "ε = 0.5" in persons
    assert persons.endswith("for one person (add-remove)")


def test_two_relations_have_a_sum_under_the_weaker_one() -> None:
    """What was spent for a record more or less was spent for one that contributes nothing too."""
    [line] = _lines({"mechanism": HALF, "relation": "add-remove"}, {"mechanism": HALF})

    assert line.endswith("ε = 1 at δ = 1e-06 for one record (zero-out)")


def test_what_is_reserved_counts_once() -> None:
    """An open reservation counts instead of its own charges, and the line says so."""
    plan = {"kind": "reserved", "run": "r", "planned": (HALF, HALF)}
    charge = {"mechanism": HALF, "run": "r"}

    [running] = _lines(plan, charge, {"mechanism": HALF})
    [done] = _lines(plan, charge, {**plan, "planned": ()}, {"mechanism": HALF})

    assert "ε = 1.5" in running
    assert "may still spend included (r;" in running
    assert "`genaudit ledger end`" in running
    assert "ε = 1 " in done


def test_a_total_of_nameless_data_says_what_it_is_of() -> None:
    """What is known by its content alone is another data set in another file."""
    [line] = _lines({"mechanism": HALF, "dataset": "undeclared-0123456789ab"})
    [named] = _lines({"mechanism": HALF})

    assert "ε = 0.5 " in line
    assert "the same people in another file count apart" in line
    assert "--dataset-id" in line
    assert "another file" not in named


def test_unpaid_reads_are_counted_apart() -> None:
    """Reads that no ε covers are a line of their own; audit touches are none."""
    unpaid = {"kind": "unaccounted"}

    lines = _lines(unpaid, unpaid, {**unpaid, "scope": "audit"}, {"kind": "public"})

    assert lines == ["d: 2 unaccounted release touches; no ε covers them"]


def test_a_total_is_at_the_delta_that_is_claimed() -> None:
    """The largest of the claims, those of other units left out; or the one that is asked for."""
    plan = {"kind": "reserved", "planned": (HALF,)}
    touches = [{**plan, "run": "a", "delta": 1e-5}, {**plan, "run": "b", "delta": 1e-4},
               {**plan, "run": "c", "delta": 1e-2, "unit": "person"}]  # fmt: skip

    records, persons = _lines(*touches)

    assert "ε = 1 at δ = 0.0001 for one record" in records
    assert "ε = 0.484 at δ = 0.01 for one person" in persons


def test_where_no_epsilon_is_finite_the_line_says_at_which_delta_it_is() -> None:
    """Levels learned with a δ of their own leave nothing of a smaller one; of δ = 1, never."""
    learned = {"mechanism": Mechanism(name="pure", epsilon=0.5, delta=4e-6)}

    [line] = _lines(learned)
    [never] = _lines({"mechanism": Mechanism(name="pure", epsilon=0.5, delta=0.9)})

    assert "no finite ε at δ = 1e-06, but at most ε = 0." in line
    assert "at δ = 5e-06 for one record" in line
    assert "nor at any larger one" in never
    assert "inf" not in line.replace("finite", "") + never.replace("finite", "")
