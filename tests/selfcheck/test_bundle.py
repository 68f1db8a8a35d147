"""Rows in a released folder are found however they were written, and only real ones."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from long import all_but

from genaudit.training.dp.selfcheck.bundle import readings, scan
from genaudit.training.dp.selfcheck.outcome import Status, Stopped
from genaudit.training.dp.selfcheck.rows.packed import contents

Write = Callable[[Path], object]

LEVELS = pd.DataFrame({
    f"c{i}": [f"v{j}" for j in np.random.default_rng(i).integers(0, 30, 60)] for i in range(6)
})  # fmt: skip
NUMBERS = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
CODES = np.hstack([np.eye(20, dtype=np.float32)[np.random.default_rng(i).integers(0, 20, 80)]
                   for i in range(5)])  # fmt: skip


def _table(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Numbers of few digits, levels, and columns that hang together."""
    table = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde")).round(3)
    level = rng.choice(["red", "green", "blue"], n)
    return table.assign(k=level, tone=np.where(rng.random(n) < 0.9, level, "none"))


TABLE = _table(np.random.default_rng(0), 200)
#: Columns and rows that are hardly met by chance, wide and narrow.
WIDE = np.random.default_rng(3).normal(size=(250, 300))
NARROW = np.random.default_rng(4).normal(size=(120, 9))
PLAIN = TABLE.drop(columns=["k", "tone"])
_RNG = np.random.default_rng(5)
#: An ordinary table: a number of few decimals, one of none, a level.
PRINTED = pd.DataFrame({
    "a": _RNG.normal(50, 13, 300).round(3), "b": _RNG.integers(0, 99_999, 300),
    "c": _RNG.choice(list("xyzuvw"), 300), "d": _RNG.normal(size=300).round(4),
})  # fmt: skip


def _status(folder: Path, table: pd.DataFrame | np.ndarray) -> Status:
    try:
        scan(folder, [table], np.random.default_rng(0))
    except Stopped as stopped:
        return stopped.status
    return Status.PASSED


def _csv(**options: object) -> bytes:
    text = TABLE.to_csv(index=False, **options)
    assert isinstance(text, str)
    return text.encode()


def _raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def _npy(array: np.ndarray) -> Write:
    return lambda path: np.save(path.open("wb"), array)


def _tensor(array: np.ndarray, dtype: torch.dtype) -> Write:
    return lambda path: torch.save({"rows": torch.tensor(array).to(dtype).contiguous()}, path)


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as base:
        TABLE.to_sql("rows", base, index=False)


def _tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        about = tarfile.TarInfo("rows")
        about.size = len(content)
        packed.addfile(about, io.BytesIO(content))
    return file.getvalue()


def _zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("rows", content)
    return file.getvalue()


def _json(value: object) -> Write:
    return lambda path: path.write_text(json.dumps(value))


def _by_name(values: np.ndarray) -> dict[str, float]:
    return {f"m{i}": float(v) for i, v in enumerate(values)}


def _columns(path: Path) -> None:
    np.savez(path.open("wb"), **{c: PLAIN[c].to_numpy() for c in PLAIN})


WRITTEN: dict[str, tuple[pd.DataFrame | np.ndarray, Write]] = {
    "csv": (LEVELS, lambda p: LEVELS.head(20).to_csv(p, index=False)),
    "json": (LEVELS, lambda p: p.write_text(LEVELS.head(20).to_json(orient="values"))),
    "gzip": (LEVELS, _raw(gzip.compress(LEVELS.to_csv().encode()))),
    "npz": (NUMBERS, lambda p: np.savez_compressed(p.open("wb"), x=NUMBERS[:10])),
    "pickle": (NUMBERS, _raw(pickle.dumps(NUMBERS[:10]))),
    "torch": (NUMBERS, _tensor(NUMBERS, torch.float32)),
    "double": (NUMBERS, _raw(NUMBERS.astype(float).tobytes())),
    "one row": (NUMBERS, _raw(NUMBERS[7].tobytes())),
    "one row as an array": (NUMBERS, _npy(NUMBERS[7:8])),
    "codes": (CODES, _raw(CODES[:10].tobytes())),
    "codes in half precision": (CODES, _tensor(CODES[:10], torch.float16)),
    "parquet": (TABLE, TABLE.to_parquet),
    "arrow": (TABLE, lambda p: TABLE.to_feather(p, compression="uncompressed")),
    "records": (TABLE, lambda p: TABLE.to_json(p, orient="records")),
    "columns of JSON": (TABLE, TABLE.to_json),
    "lists of JSON": (TABLE, lambda p: p.write_text(json.dumps(
        {"version": 1, "model": {"sampler": TABLE.to_dict("list")}}
    ))),
    "JSON lines": (TABLE, lambda p: TABLE.to_json(p, orient="records", lines=True)),
    "sqlite": (TABLE, _sqlite),
    "pickled frame": (TABLE, _raw(pickle.dumps(TABLE))),
    "by columns": (PLAIN, _npy(PLAIN.to_numpy())),
    "turned": (PLAIN, _npy(PLAIN.to_numpy().T)),
    "columns of npz": (PLAIN, _columns),
    "one after the other": (PLAIN, _npy(PLAIN.to_numpy().ravel())),
    "half": (PLAIN, _npy(PLAIN.to_numpy(np.float16))),
    "big-endian": (PLAIN, _npy(PLAIN.to_numpy(">f8"))),
    "big-endian bytes": (PLAIN, _raw(PLAIN.to_numpy(">f4").tobytes("C"))),
    "bytes by columns": (PLAIN, _raw(PLAIN.to_numpy().tobytes("F"))),
    "bfloat16": (PLAIN, _tensor(PLAIN.to_numpy(), torch.bfloat16)),
    "half of torch": (PLAIN, _tensor(PLAIN.to_numpy(), torch.float16)),
    "other order": (TABLE, lambda p: TABLE[TABLE.columns[::-1]].to_csv(p, index=False)),
    "a column less": (TABLE, lambda p: TABLE.drop(columns="k").to_csv(p, index=False)),
    "an index more": (TABLE, lambda p: TABLE.sample(40, random_state=0).to_csv(p)),
    "a made column": (TABLE, lambda p: TABLE.assign(b=range(200)).to_csv(p, index=False)),
    "no names, some columns": (
        TABLE, lambda p: TABLE[["d", "k", "b"]].to_csv(p, sep=";", header=False, index=False)
    ),
    "rounded": (TABLE, _raw(_csv(float_format="%.2f"))),
    "three digits": (TABLE, _raw(_csv(float_format="%.3g"))),
    "four decimals": (NUMBERS, lambda p: np.savetxt(p, NUMBERS, fmt="%.4f", delimiter=",")),
    "five rows": (TABLE, lambda p: TABLE.head(5).to_csv(p, index=False)),
    **{f"a row of {rows.shape[1]} numbers, {n} decimals": (rows, _json(rows[3].round(n).tolist()))
       for n in range(3, 7) for rows in (WIDE, NARROW)},
    "a wide row by name": (WIDE, _json(_by_name(WIDE[3].round(4)))),
    "a narrow row by name": (NARROW, _json(_by_name(NARROW[3].round(4)))),
    "means as a list": (WIDE, _json(WIDE.mean(0).tolist())),
    "means by name": (WIDE, _json(_by_name(WIDE.mean(0)))),
    "means of a few decimals": (PRINTED, _json(PRINTED[["a", "b", "d"]].mean().to_dict())),
    "described": (PRINTED, PRINTED.describe().to_json),
    "repr": (PRINTED, _raw(repr(PRINTED.head(12).to_dict("records")).encode())),
    "printed": (PRINTED, _raw(PRINTED.head(12).to_string().encode())),
    "logged": (PRINTED, _raw("\n".join(
        f"INFO sample a: {a}, k1: {k}, c={c}; d {d}" for a, k, c, d in PRINTED.head(12).to_numpy()
    ).encode())),
    "base64": (NUMBERS, _json({"a": base64.b64encode(NUMBERS[3:5].tobytes()).decode()})),
    "base64 of doubles": (NARROW, _json({"a": base64.b64encode(NARROW[3].tobytes()).decode()})),
    "bzip2": (TABLE, _raw(bz2.compress(_csv()))),
    "xz": (TABLE, _raw(lzma.compress(_csv()))),
    "tar": (TABLE, _raw(_tar(_csv()))),
    "zip in zip in gzip": (TABLE, _raw(gzip.compress(_zip(_zip(_csv()))))),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", WRITTEN)
def test_rows_are_found(name: str, tmp_path: Path) -> None:
    """Text, tables, arrays, archives and what torch writes."""
    table, write = WRITTEN[name]
    write(tmp_path / "state")

    assert _status(tmp_path, table) is Status.FAILED


def _public(rng: np.random.Generator) -> dict[str, bytes]:
    """What an honest release may hold beside its model."""
    schema = {c: {"kind": "numeric", "bounds": [-4.0, 4.0]} for c in PLAIN}
    levels = {"k": ["red", "green", "blue"], "tone": ["red", "green", "none"]}
    combined = TABLE[["k", "tone"]].drop_duplicates()
    weights = {f"layer{i}": torch.as_tensor(rng.normal(size=(40, 7))) for i in range(3)}
    file = io.BytesIO()
    torch.save({k: v.float() for k, v in weights.items()}, file)
    edges = pd.DataFrame({c: np.linspace(-4, 4, 21) for c in PLAIN})
    marginal = TABLE["k"].value_counts().rename_axis("k").reset_index()
    return {
        "schema.json": json.dumps({"columns": schema, "levels": levels}).encode(),
        "levels.csv": combined.to_csv(index=False).encode(),
        "edges.csv": edges.to_csv(index=False).encode(),
        "marginal.csv": marginal.to_csv(index=False).encode(),
        "weights.pt": file.getvalue(),
        "weights.bin": rng.normal(size=4000).astype(np.float16).tobytes(),
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_records_are_found(kind: str, tmp_path: Path) -> None:
    """Pictures, and sounds of several lengths, are rows of numbers; other ones are not there."""
    rng = np.random.default_rng(6)
    mine, others = (
        [
            (rng.normal(size=(40 + i % 3, 2)) * 60 + 128).clip(0, 255).astype(kind)
            for i in range(200)
        ]
        for _ in range(2)
    )
    labels = rng.choice(["a", "b"], 200)
    sought = readings(pd.DataFrame({"label": labels, "record": pd.Series(mine, dtype=object)}))

    assert len(sought) == 2
    for records, found in ((others, False), (mine[:60], True)):
        (tmp_path / "state").write_bytes(b"".join(r.tobytes() for r in records))
        with pytest.raises(Stopped) if found else nullcontext():
            scan(tmp_path, sought, np.random.default_rng(0))


@pytest.mark.parametrize("seed", all_but(range(4), range(20)))
def test_honest_releases_pass(seed: int, tmp_path: Path) -> None:
    """Levels, schema, marginals, weights, and rows drawn from the same population, in any form."""
    rng = np.random.default_rng(seed + 100)
    made = _table(rng, 300)
    plain = made.drop(columns=["k", "tone"])
    for name, content in _public(rng).items():
        (tmp_path / name).write_bytes(content)
    made.to_csv(tmp_path / "made.csv", index=False)
    made.round(1).to_csv(tmp_path / "rounded.csv", index=False)
    made.to_parquet(tmp_path / "made.parquet")
    made.to_json(tmp_path / "made.json", orient="records")
    (tmp_path / "made.pkl").write_bytes(pickle.dumps(made))
    np.save(tmp_path / "made.npy", plain.to_numpy(np.float16))
    (tmp_path / "made.f2").write_bytes(plain.to_numpy(np.float16).tobytes("F"))

    assert _status(tmp_path, TABLE) is Status.PASSED


@pytest.mark.parametrize("seed", range(5))
def test_made_rows_of_few_digits_pass(seed: int, tmp_path: Path) -> None:
    """One after the other, by name, and where columns hang together so that rows are near."""
    rng = np.random.default_rng(seed + 20)
    kind = rng.normal(size=(120, 1))
    near = kind * np.arange(1, 10) / 9 + 1e-3 * rng.normal(size=(120, 9))
    for n in range(1, 5):
        rows = {"made": rng.normal(size=9), "near": near[0] + 1e-3 * rng.normal(size=9)}
        for name, row in rows.items():
            (tmp_path / f"{name}{n}.json").write_text(json.dumps(row.round(n).tolist()))
            (tmp_path / f"{name}{n}n.json").write_text(json.dumps(_by_name(row.round(n))))

    assert _status(tmp_path, NARROW) is Status.PASSED
    assert _status(tmp_path, near) is Status.PASSED


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_few_levels_that_hang_together_pass(seed: int, tmp_path: Path) -> None:
    """Made rows are like real ones more than mixed ones are, and that alone is no leak."""

    def drawn(rng: np.random.Generator, n: int) -> pd.DataFrame:
        kind = rng.integers(0, 8, n)
        return pd.DataFrame(
            {f"c{i}": (kind + rng.integers(0, 3, n) * (i + 1)) % 12 for i in range(4)}
        )

    made = drawn(np.random.default_rng(seed), 400)
    made.to_csv(tmp_path / "made.csv", index=False)
    (tmp_path / "made.bin").write_bytes(made.to_numpy(np.int32).tobytes("C"))

    assert _status(tmp_path, drawn(np.random.default_rng(seed + 50), 300)) is Status.PASSED


def test_other_rows_are_not(tmp_path: Path) -> None:
    """Rows of the same levels in other company, and other numbers, are nobody's."""
    other = pd.DataFrame({
        c: LEVELS[c].sample(frac=1, random_state=i).to_numpy() for i, c in enumerate(LEVELS)
    })  # fmt: skip
    other.to_csv(tmp_path / "made.csv", index=False)
    (tmp_path / "made.bin").write_bytes((NUMBERS + 1).tobytes())

    assert _status(tmp_path, LEVELS) is Status.PASSED
    assert _status(tmp_path, NUMBERS) is Status.PASSED


def test_common_rows_are_not_a_leak(tmp_path: Path) -> None:
    """Where rows are so common that anybody's are like them, finding them tells nothing."""
    rng = np.random.default_rng(0)
    common = pd.DataFrame({f"c{i}": [f"v{j}" for j in rng.integers(0, 2, 200)] for i in range(4)})
    made = pd.DataFrame({f"c{i}": [f"v{j}" for j in rng.integers(0, 2, 200)] for i in range(4)})
    made.to_csv(tmp_path / "made.csv", index=False)

    assert _status(tmp_path, common) is Status.PASSED


def test_what_is_packed_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more bytes are unpacked of one file than allowed, nor archives deeper than three."""
    monkeypatch.setattr("genaudit.training.dp.selfcheck.rows.packed.MOST", 5000)
    nested = b"end"
    for _ in range(5):
        nested = gzip.compress(nested)
    (tmp_path / "bomb").write_bytes(bz2.compress(bytes(10**6)))
    (tmp_path / "nested").write_bytes(nested)
    found = dict(contents(tmp_path))

    assert len(found["bomb (unpacked)"]) == 5000
    assert sum(name.startswith("nested") for name in found) == 4
    assert b"end" not in found.values()
