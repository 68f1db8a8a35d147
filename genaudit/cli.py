"""The command line: parse, call `genaudit.api`, print. Results on stdout, the rest on stderr.

Exit codes, whatever the output format and whoever reads it: 0 done; 2 usage error or bad input; 4
content differs from its own digest; 1 outside and 3 cannot tell come from `check`, `selfcheck`,
`calibrate` and `audit --gate` alone, and from `diff` 1 where anything is worse and 3 where what was
judged is gone.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from genaudit import progress
from genaudit.atomic import check_apart, check_file, check_folder
from genaudit.errors import GenauditError, GenauditWarning, OptionError, plain, reason

if TYPE_CHECKING:
    from genaudit.ledger import PrivacyLedger
    from genaudit.result import AuditReport

app = typer.Typer(
    name="genaudit",
    help="Train generative models privately, audit any generative model, hand over a report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
policy_app = typer.Typer(no_args_is_help=True, help="Limits on metrics, with owner and reason.")
ledger_app = typer.Typer(no_args_is_help=True, help="Every read of private data.")
app.add_typer(policy_app, name="policy")
app.add_typer(ledger_app, name="ledger")


class Settings:
    """What the options before the command set."""

    quiet: bool = False


def main() -> None:
    """Run the command line; every error on purpose is one sentence and an exit code."""
    sys.stdout, sys.stderr = _lenient(sys.stdout), _lenient(sys.stderr)
    warnings.showwarning = _show_warning
    # Quiet is quiet wherever it stands, before the verb or after it.
    quiet = {"--quiet", "-q"} & set(sys.argv[1:])
    words = [word for word in sys.argv[1:] if word not in quiet]
    try:
        code = app([*(["--quiet"] if quiet else []), *words], standalone_mode=False)
        if code == _INTERRUPTED_CODE:
            _say(_INTERRUPTED)
        if sys.stdout is not None:
            sys.stdout.flush()  # what cannot be written is an error here, not at the very end
        sys.exit(code if isinstance(code, int) else 0)
    except typer.exceptions.TyperException as error:
        _say_usage(error)
        sys.exit(2)
    except typer.Abort:
        _say(_INTERRUPTED)
        sys.exit(_INTERRUPTED_CODE)
    except GenauditError as error:
        _say(f"Error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say(_INTERRUPTED)
        sys.exit(_INTERRUPTED_CODE)
    except OSError as error:
        _drop(sys.stdout)
        place = "the output" if error.filename is None else repr(str(error.filename))
        _say(f"Error: Expected to read or write {place}, got: {reason(error)}; name another place.")
        sys.exit(2)
    except ImportError as error:
        # A compiled module that is interrupted while it starts makes an error of it.
        if not _comes_of_interrupt(error):
            raise
        _say(_INTERRUPTED)
        sys.exit(_INTERRUPTED_CODE)


_INTERRUPTED_CODE = 130
_INTERRUPTED = "Interrupted; the ledger holds what was read so far."


#: As a shell gives it of a process that was ended by SIGTERM.
_TERMINATED_CODE = 143


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end a training as Ctrl-C does: what it reserved is given back on the way out."""
    if not _leads() or threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = []

    def stop(number: int, frame: object) -> None:  # noqa: ARG001  the signature is Python's
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one waits for nothing
        asked.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not asked:
            raise
        _say(_INTERRUPTED)
        raise typer.Exit(_TERMINATED_CODE) from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _Heard(io.FileIO):
    """A file descriptor that takes what nobody reads any more, so that the command goes on."""

    def write(self, content: Any, /) -> int:
        """As ever; into a pipe that was closed at its other end, nowhere."""
        try:
            return super().write(content)
        except BrokenPipeError:
            return memoryview(content).nbytes


def _lenient(stream: Any) -> Any:
    """The standard stream, with no reader or with one of few characters: an exit code is a verdict.

    Characters that its encoding lacks are escaped. A terminal has a reader.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # none, or one that is not of the system
    stream.reconfigure(errors="backslashreplace")
    try:
        place = stream.fileno()
    except OSError:
        return stream
    if stream.isatty():
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Heard(place, "wb", closefd=False)), encoding=stream.encoding,
        errors=stream.errors, line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )  # fmt: skip


def _drop(stream: TextIO | None) -> None:
    """Write what is left in a stream nowhere."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _comes_of_interrupt(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _say_usage(error: Any) -> None:
    """A usage error as one sentence; the help text where no verb was given."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    said = plain(" ".join(error.format_message().split()).rstrip("."))
    _say(f"Error: {said}; run with --help to see what is expected.")


class ModelName(StrEnum):
    """Families of generators."""

    GAN = "gan"
    VAE = "vae"
    CGAN = "cgan"


class MethodName(StrEnum):
    """How groups of samples are made alike."""

    RESAMPLE = "resample"
    REWEIGH = "reweigh"
    BALANCE = "balance"
    REJECT = "reject"
    REPAIR = "repair"


class Preset(StrEnum):
    """How long to train."""

    QUICK = "quick"
    STANDARD = "standard"


class Lang(StrEnum):
    """Languages of the report."""

    EN = "en"
    ZH = "zh"


class Format(StrEnum):
    """Forms of the report."""

    HTML = "html"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    OSCAL = "oscal"
    CYCLONEDX = "cyclonedx"
    CARD = "card"


class Listed(StrEnum):
    """What `genaudit list` lists."""

    AUDITS = "audits"
    MODELS = "models"
    REGULATIONS = "regulations"
    DATASETS = "datasets"


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"genaudit {version('genaudit')}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only errors.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    Settings.quiet = quiet


Data = Annotated[
    str,
    typer.Argument(
        help="CSV, Parquet, JSONL, NPZ, TXT, a folder of PNG or WAV, or a bundled data set."
    ),
]
SchemaOption = Annotated[
    str | None, typer.Option("--schema", help="Schema (TOML), or a bundled one: arrests, adult.")
]
LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="Ledger file (default: the user's own).")
]


def _named(dataset_id: str | None) -> str | None:
    if dataset_id is not None and not dataset_id.strip():
        raise typer.BadParameter("expected a name, got none; leave the option out, or name it")
    return dataset_id and dataset_id.strip()


DatasetId = Annotated[
    str | None,
    typer.Option("--dataset-id", callback=_named, help="Name of the data in the ledger."),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", min=0, max=2**63 - 1, help="Seed of all that is not private randomness."
    ),
]
ShowPrivate = Annotated[
    bool,
    typer.Option(
        "--show-private",
        help="Refuse an audit.json without counts of a few people, as `genaudit audit "
        "--show-private` alone puts them in.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for models and reports.")] = Path(
        "reports/demo"
    ),
) -> None:
    """Train privately on bundled real data, audit, report."""
    from genaudit.demo import run_demo

    check_folder(out, new=False)
    with progress.bars(quiet=Settings.quiet) as bars:
        summary = run_demo(out, say=_say, bars=bars)
    print("\n".join(summary))


@app.command()
def schema(
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it.")] = None,
    subwords: Annotated[
        int | None,
        typer.Option("--subwords", help="Of lines of text: learn so many frequent pieces."),
    ] = None,
    ledger: LedgerOption = None,
) -> None:
    """Draft a schema by looking at the data, to be read and corrected by you."""
    from genaudit import api
    from genaudit.atomic import write_text

    if out is not None:
        check_file(out)
        check_apart(out, [*_files(data), *_ledger_files(ledger)])
    drafted = api.draft(data, subwords=subwords, ledger=ledger)
    text = drafted.to_toml()
    if drafted.origin == "drafted":
        text = (
            "# Drafted by looking at the data. Read every line, correct roles (sensitive, target,\n"
            "# person, id, ignored), bounds and categories to what is public anyway, then delete\n"
            "# the line origin = ... to declare it: what stands here then counts as public.\n"
            "# Rows that are steps of series, and columns of texts, are declared by a column of\n"
            "# the kind sequence (with entity, time and channels) or text.\n" + text
        )
    if out is None:
        _print_file(text)
    else:
        write_text(out, text)
        _say(f"Wrote {out}; read and correct it before you declare it.")


@app.command()
def train(
    data: Data,
    out: Annotated[Path | None, typer.Option("--out", help="New folder for the model.")] = None,
    schema: SchemaOption = None,
    model: Annotated[
        ModelName | None, typer.Option("--model", help="Family (default: cgan).")
    ] = None,
    epsilon: Annotated[float | None, typer.Option("--epsilon", help="Privacy budget ε.")] = None,
    delta: Annotated[float | None, typer.Option("--delta", help="δ, well under 1/n.")] = None,
    preset: Annotated[Preset | None, typer.Option("--preset", help="How long to train.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Initial weights, fakes, sampling.")
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option("--condition", help="Column to condition on; repeatable.")
    ] = None,
    preprocessing_epsilon: Annotated[
        float | None,
        typer.Option("--preprocessing-epsilon", help="Part of ε that learns what is undeclared."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Whom ε is for: record or person.")
    ] = None,
    rows_per_person: Annotated[
        int | None, typer.Option("--rows-per-person", help="Most rows of one person to use.")
    ] = None,
    noise: Annotated[str | None, typer.Option("--noise", help="plain or hardened.")] = None,
    noise_seed: Annotated[
        int | None, typer.Option("--noise-seed", help="Experiments alone: promises nothing.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Recipe (TOML); options given here win.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, or why there is none.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Private folder to go on from.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Go on from this checkpoint folder.")
    ] = None,
    canaries: Annotated[
        int | None,
        typer.Option("--canaries", help="Plant so many made-up rows, each by a recorded coin."),
    ] = None,
    dataset_id: DatasetId = None,
    budget_total: Annotated[
        float | None,
        typer.Option(
            "--budget-total", help="Refuse beyond this ε over all releases (needs an id)."
        ),
    ] = None,
    ledger: LedgerOption = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda.")] = None,
) -> None:
    """Train a generator; with --epsilon and --delta under differential privacy."""
    from genaudit import api

    if out is None and not dry_run:
        raise OptionError("Expected --out MODEL_DIR, got none; name a new folder for the model.")
    _check_places(out, checkpoint or resume)
    if out is not None:
        read = [*_files(data, schema, config), *([resume] if resume else [])]
        check_apart(out, [*read, *_ledger_files(ledger)])
    given = {
        "family": model and model.value, "preset": preset and preset.value, "seed": seed,
        "condition": condition and tuple(condition), "epsilon": epsilon, "delta": delta,
        "preprocessing_epsilon": preprocessing_epsilon, "device": device, "unit": unit,
        "rows_per_person": rows_per_person, "noise": noise, "noise_seed": noise_seed,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if resume is not None:
        _check_alone({**given, "schema": schema, "config": config, "checkpoint": checkpoint,
                      "dataset_id": dataset_id, "canaries": canaries,
                      "dry_run": dry_run or None})  # fmt: skip
        assert out is not None, "checked above"
        with _terminable(), progress.bars(quiet=Settings.quiet or not _leads()) as bars:
            trained = api.resume(
                data, resume, ledger=ledger, budget_total=budget_total,
                progress=progress.training_bar(bars, "Training"),
            )  # fmt: skip
        _save(trained, out)
        return
    options = {**api.read_recipe(config), **given}
    family = options.pop("family", "cgan")
    if dry_run:
        lines = api.plan_training(
            data, schema, model=family, ledger=ledger, dataset_id=dataset_id,
            budget_total=budget_total, canaries=canaries, **options,
        )  # fmt: skip
        print(*map(_printable, lines), sep="\n")
        return
    assert out is not None, "checked above"
    with _terminable(), progress.bars(quiet=Settings.quiet or not _leads()) as bars:
        trained = api.train(
            data, schema, model=family, ledger=ledger, dataset_id=dataset_id,
            budget_total=budget_total, artefact=out.name, checkpoint=checkpoint, canaries=canaries,
            progress=progress.training_bar(bars, "Training"), **options,
        )  # fmt: skip
    _save(trained, out)
    if canaries is not None:
        coins = api.coins_of(ledger, out.name, checkpoint)
        _say(
            f"Canaries and their coins are in {coins}: keep it private, and audit with --canaries."
        )


def _files(*inputs: str | Path | None) -> list[str | Path]:
    """The inputs that are files, and no names of what is bundled, which a folder may have too."""
    named = (given for given in inputs if given is not None)
    return [given for given in named if os.path.isfile(given)]  # noqa: PTH113  too long is no file


def _ledger_files(ledger: Path | None) -> list[Path]:
    """The ledger and its key, whether they exist yet or not."""
    from genaudit.ledger import default_path

    book = ledger or default_path()
    return [] if book.is_dir() else [book, Path(f"{book}.key")]


def _check_places(out: Path | None, state: Path | None) -> None:
    """Refuse places for a model and its checkpoints that could not be written, before any work."""
    if out is not None:
        check_folder(out)
    if state is not None:
        check_folder(state, new=False)
    if out is not None and state is not None:
        inside = (state.resolve(), *state.resolve().parents)
        if out.resolve() in inside:
            raise OptionError(
                f"Expected checkpoints outside of the model folder {str(out)!r}, which is released "
                f"and they are not, got {str(state)!r}; name another place."
            )


def _save(trained: Any, out: Path) -> None:
    """Write the model, once."""
    if _leads():
        trained.save(out)
        _say(f"Wrote {out}. {_promise(trained)}")


def _leads() -> bool:
    """Whether this process speaks for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _check_alone(others: dict[str, Any]) -> None:
    """Refuse options beside --resume that the checkpoint decides."""
    names = {"family": "model"}
    given = [names.get(name, name) for name, value in others.items() if value is not None]
    if given:
        raise OptionError(
            "Expected with --resume only DATA, --out, --ledger and --budget-total, as the "
            f"checkpoint holds the rest, got --{given[0].replace('_', '-')}; leave it out."
        )


@app.command()
def sample(
    model_dir: Annotated[Path, typer.Argument(help="Model folder.")],
    n: Annotated[int, typer.Option("-n", help="Records to make.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Rows: CSV, Parquet, JSONL; texts: these or TXT; series: CSV, Parquet, NPZ; "
            "images, sounds: a new folder (PNG, WAV).",
        ),
    ],
    where: Annotated[
        list[str] | None, typer.Option("--where", help="COLUMN=VALUE; repeatable.")
    ] = None,
    seed: Seed = 0,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", help="Of text: below 1 likelier, above 1 more varied."),
    ] = None,
) -> None:
    """Make records; with --where only such as have these values."""
    from genaudit import api
    from genaudit.modalities import files

    if n < 1:
        raise OptionError(f"Expected -n of at least 1, got {n}.")
    if not out.is_dir():  # whether it is to be a folder, the model says
        check_file(out)
    check_apart(out, [model_dir])
    trained = api.load(model_dir)
    record = trained.schema.record
    form = files.check_out(out, record)
    if files.makes_folder(record):
        check_folder(out)
    else:
        check_file(out)
    known = [column.name for column in trained.schema.modelled]
    data = trained.sample(
        n, seed=seed, where=_conditions(where or [], known), temperature=temperature
    )
    if not len(data):
        raise OptionError(
            f"No record was made that has what --where asks for, so {str(out)!r} was not written; "
            "ask for values that are less rare (a date without a time is its midnight)."
        )
    missing = trained.schema.missing[0] if trained.schema.missing else ""
    files.write(data.to_frame(), out, record, missing=missing)
    named = out.suffix.lower() == form or not form
    what = files.noun(record)
    _say(f"Wrote {len(data):,} {what} to {out}{'' if named else f' as {form[1:].upper()}'}.")


@app.command()
def mitigate(
    samples: Annotated[
        list[str],
        typer.Argument(help="Sample files, a model folder, or module:callable (runs code)."),
    ],
    method: Annotated[MethodName, typer.Option("--method", help="How groups are made alike.")],
    out: Annotated[Path, typer.Option("--out", help="File (CSV, Parquet, JSONL, TXT), or folder.")],
    schema: SchemaOption = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Shares (TOML), or the word equal.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Tells groups; repeatable. Default: all sensitive ones."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", help="Rows to write (a generator needs it).")
    ] = None,
    strength: Annotated[
        str | None, typer.Option("--strength", help="Of repair: 0 to 1, or auto with --dpd.")
    ] = None,
    dpd: Annotated[
        float | None, typer.Option("--dpd", help="Gap in selection rates that auto is to reach.")
    ] = None,
    most_uses: Annotated[
        int | None, typer.Option("--most-uses", help="How often one row may be used (2).")
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Of reweigh: all rows, with a column weight.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Make groups of generated rows alike; no real row is used, so nothing is added to ε."""
    from genaudit import api
    from genaudit.mitigation import record

    if not out.is_dir():  # whether it is to be a folder, the schema says
        check_file(out)
    check_file(record.beside(out))
    found = api.mitigate(
        samples if len(samples) > 1 else samples[0], method.value, schema=schema, n=n, seed=seed,
        out=out, columns=tuple(column or ()), target=target, strength=_strength(strength), dpd=dpd,
        most_uses=most_uses, keep_rows=weights,
    )  # fmt: skip
    _say(f"Wrote {len(found.samples):,} rows to {out}, and what was done to {record.beside(out)}.")
    for name, value in found.cost.items():
        if value not in ([], None):
            shown = f"{value:.4g}" if isinstance(value, float) else _cell(value)
            _say(f"  {name.replace('_', ' ')}: {shown}")
    for t in sorted(found.tuning.trials, key=lambda t: t.strength) if found.tuning else ():
        _say(f"  tried strength {t.strength:.4g}: gap {t.gap:.4g} ({t.gap_low:.4g} to "
             f"{t.gap_high:.4g}), accuracy {t.accuracy:.4g}")  # fmt: skip
    _say("  ε added: 0, provided that the rows given are generated ones: nothing else was read.")


def _strength(given: str | None) -> float | str | None:
    if given in (None, "auto"):
        return given
    try:
        return float(given)
    except ValueError:
        raise OptionError(
            f"Expected --strength as a number from 0 to 1, or auto, got {given!r}."
        ) from None


@app.command()
def audit(
    subject: Annotated[
        list[str],
        typer.Argument(help="Model folder, sample files, or module:callable (runs code)."),
    ],
    out: Annotated[Path, typer.Option("--out", help="audit.json.")],
    train: Annotated[str | None, typer.Option("--train", help="Rows trained on.")] = None,
    holdout: Annotated[str | None, typer.Option("--holdout", help="Rows never seen.")] = None,
    auxiliary: Annotated[str | None, typer.Option("--auxiliary", help="Reference rows.")] = None,
    canaries: Annotated[
        Path | None, typer.Option("--canaries", help="Canaries with their coins, of training.")
    ] = None,
    schema: SchemaOption = None,
    plan: Annotated[
        str, typer.Option("--plan", help="quick, standard, full, or TOML.")
    ] = "standard",
    policy: Annotated[Path | None, typer.Option("--policy", help="Policy (TOML).")] = None,
    claim: Annotated[
        str | None, typer.Option("--claim", help="'epsilon=3, delta=1e-6, unit=person'")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="How chance told train from holdout: random or coin."),
    ] = None,
    one_recipe: Annotated[
        bool,
        typer.Option("--one-recipe", help="Each file is of another training of one recipe."),
    ] = False,
    context: Annotated[Path | None, typer.Option("--context", help="context.toml")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Private folder of this training.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 outside, 3 cannot tell.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where an audit fails.")] = False,
    show_private: Annotated[
        bool, typer.Option("--show-private", help="Show counts of a few people: no release.")
    ] = False,
    dataset_id: DatasetId = None,
    ledger: LedgerOption = None,
    seed: Seed = 0,
) -> None:
    """Audit a generator or its samples; what is not given is reported as not measured."""
    from genaudit import api

    check_file(out)
    read = _files(train, holdout, auxiliary, canaries, schema, plan, policy, context)
    kept = [] if checkpoint is None else [checkpoint]
    check_apart(out, [*filter(os.path.exists, subject), *kept, *read, *_ledger_files(ledger)])
    with progress.bars(quiet=Settings.quiet) as bars:
        report = api.audit(
            subject if len(subject) > 1 else subject[0],
            train=train, holdout=holdout, auxiliary=auxiliary, canaries=canaries, schema=schema,
            plan=plan, policy=policy, claim=claim, split=split, one_recipe=one_recipe,
            context=api.read_context(context), checkpoint=checkpoint, ledger=ledger,
            dataset_id=dataset_id, seed=seed, command=_command(), strict=strict,
            show_private=show_private, progress=progress.audit_bar(bars),
        )  # fmt: skip
    api.write_json(report, out)
    _say_report(report)
    if report.provenance.show_private:
        _say("Counts of a few people are in it (--show-private): share it only with those who may "
             "see the data.")  # fmt: skip
    if report.registration is not None and report.registration.state != "before":
        _say(f"Not pre-registered: the policy was {_LATE[report.registration.state]}.")
    _say(f"Wrote {out}; read it with: genaudit report {out} --out report.html")
    if gate:
        _say(_judged(report))
        raise typer.Exit(_gate(report))


_LATE = {
    "after": "registered after the ledger's first audit of this subject or these data",
    "never": "not registered in this ledger (genaudit policy register, before a run)",
}


@app.command()
def report(
    audit_json: Annotated[
        list[Path], typer.Argument(help="audit.json; several are set side by side on one page.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    lang: Annotated[Lang, typer.Option("--lang", help="Language.")] = Lang.EN,
    format: Annotated[Format, typer.Option("--format", help="Form.")] = Format.HTML,
    show_private: ShowPrivate = False,
) -> None:
    """Render the report that a person reads; of several, the page that compares them."""
    from genaudit import api

    check_file(out)
    check_apart(out, audit_json)
    if show_private:
        _check_shown(audit_json)
    if len(audit_json) > 1:
        if format is not Format.HTML:
            raise OptionError(
                f"Expected --format html for several reports, got {format}; write them one by one."
            )
        api.write_comparison(audit_json, out, lang=lang.value)
        for place in audit_json:
            _say_expired(api.read_report(place), f"the report {place}")
        _say(f"Wrote {out}.")
        return
    stored = api.read_report(audit_json[0])
    found = api.check(stored)
    if n := api.changed(stored, found):
        _say(
            f"Warning: {n} of the verdicts in {audit_json[0]} are not what its numbers and limits "
            "say; the report shows what they say."
        )
    _say_expired(found)
    if format is Format.HTML:
        api.write_html(found, out, lang=lang.value)
    elif format is Format.JSON:
        api.write_json(found, out)
    else:
        api.write_form(found, out, format.value)
    _say(f"Wrote {out}.")


def _check_shown(places: Sequence[Path]) -> None:
    """Refuse reports without the counts that are asked for: they hold none that could be shown."""
    from genaudit import api

    for place in places:
        if not api.read_report(place).provenance.show_private:
            raise OptionError(
                "Expected with --show-private an audit.json made by `genaudit audit "
                f"--show-private`, got {str(place)!r} without counts of a few people, which an "
                "audit leaves out for good; audit again with it, or leave it out here."
            )


def _say_expired(report: AuditReport, what: str = "this report") -> bool:
    """Say where the validity of a report is over."""
    from genaudit import api

    if (until := api.expired(report)) is None:
        return False
    _say(f"Expired: {what} was valid until {until}, and today is {api.today()}, so it "
         "lets nothing pass; audit again.")  # fmt: skip
    return True


@app.command()
def check(
    audit_json: Annotated[Path, typer.Argument(help="audit.json")],
    policy: Annotated[Path | None, typer.Option("--policy", help="Policy (TOML).")] = None,
    as_json: Json = False,
) -> None:
    """Judge anew: exit 0 within (or a gap that became smaller), 1 outside, 3 cannot tell, not
    measured, no limit or expired.
    """
    from genaudit import api

    found = api.check(api.read_report(audit_json), policy)
    missing = _unmeasured_limits(found)
    until = api.expired(found)
    _say(_whose_limits(found, audit_json, policy))
    if as_json:
        _print_json(
            [
                {"metric": f.metric, "group": f.group, "verdict": f.verdict,
                 "value": f.estimate.value, "low": f.estimate.low, "high": f.estimate.high,
                 "limit": f.limit.value if f.limit else None}
                for _, f in found.findings() if f.limit
            ]
            + [{"metric": m, "verdict": "not_measured"} for m in missing]
            + ([] if until is None else [{"metric": "valid_until", "verdict": "expired"}])
        )  # fmt: skip
    else:
        for _, finding in found.findings():
            if finding.limit:
                print(_finding_line(finding))
        for metric in missing:
            print(f"not measured  {_printable(metric)}")
    _say(_judged(found))
    over = _say_expired(found)
    raise typer.Exit(_gate(found) or (3 if over else 0))


@app.command()
def bundle(
    audit_json: Annotated[
        Path, typer.Argument(help="audit.json; with --recipient also a model folder.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="New folder; with --recipient one file (.tar.age).")
    ],
    key: Annotated[
        Path | None, typer.Option("--key", help="Ed25519 private key (PEM) that signs it.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option("--recipient", help="age public key (age1...) to encrypt it to.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="File of its limits; default: written anew from audit.json."),
    ] = None,
    pdf: Annotated[bool, typer.Option(help="Print the pages, where there is Chromium.")] = True,
    show_private: ShowPrivate = False,
) -> None:
    """Write a folder of evidence: pages, exports for other tools, a signed statement on all."""
    from genaudit import api
    from genaudit.evidence import seal

    place = out if recipient is None else seal.named(out)
    check_folder(place) if recipient is None else check_file(place)
    check_apart(place, [audit_json, *([key] if key else []), *([policy] if policy else [])])
    if show_private:
        _check_shown([audit_json])
    written = api.bundle(audit_json, out, key=key, recipient=recipient, policy=policy, pdf=pdf)
    _say(f"Wrote {written.path}: {', '.join(written.names)}.")
    if written.signer:
        _say(f"It is signed with the key {written.signer}; hand your public key over another way.")
    elif not audit_json.is_dir():
        _say("It is unsigned: `genaudit verify` then finds damage, not forgery (--key signs it).")
    if recipient is not None:
        file = shlex.quote(str(written.path))
        _say(f"Its recipient reads it with: age -d -i key.txt {file} | tar xf -")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `genaudit bundle` wrote.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The signer's Ed25519 public key (PEM).")
    ] = None,
) -> None:
    """Hold a folder of evidence against its own statement: exit 0 whole, 4 anything else."""
    from genaudit.evidence.verify import verify as verified

    print(_printable(str(verified(folder, public_key))))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="audit.json of before.")],
    new: Annotated[Path, typer.Argument(help="audit.json of after, on the same data.")],
    alpha: Annotated[
        float, typer.Option("--alpha", help="Chance of telling any change where there is none.")
    ] = 0.05,
    as_json: Json = False,
) -> None:
    """What changed between two reports, worst first: exit 0 nothing is worse, 1 something is.

    Exit 3 where nothing is worse, but what a limit judges in the old report is judged in it alone,
    is doubted in the new one, or is not compared; where anything is outside a limit that was not;
    or where the new report has expired.
    """
    from genaudit import api

    found = api.diff(old, new, alpha=alpha)
    if as_json:
        _print_json(found.to_json())
    else:
        heads = ("change", "metric", "group", "old", "new", "verdict", "why")
        _print_table(heads, [_diff_cells(row) for row in found.rows])
    for note in found.notes:
        _say(note)
    n = Counter(str(row.change).replace("_", " ") for row in found.rows)
    _say(
        f"Of {len(found.rows)} findings: {', '.join(f'{k} {name}' for name, k in n.items())}. "
        f"Where nothing has changed, the chance of telling any change among the {found.tested} "
        f"that were tested is at most {alpha:.3g}."
    )
    if found.lost:
        _say(
            f"Gone, judged no more, or not compared: {found.lost:,} of the findings that a limit "
            "judges in the old report; whether they are worse cannot be told, so audit the new "
            "subject as the old one."
        )
    if found.broken:
        _say(
            f"Outside a limit now, and not before: {found.broken:,} findings, by another number, "
            "another limit or a new audit; see what the new report says of them."
        )
    over = _say_expired(found.new, f"the report {new}")
    raise typer.Exit(1 if found.worse else 3 if found.lost or found.broken or over else 0)


def _diff_cells(row: Any) -> tuple[str, ...]:
    one, other = row.old, row.new
    verdicts = [str(f.verdict or "-") for f in (one, other) if f is not None]
    return (
        str(row.change).replace("_", " "),
        row.metric,
        " ".join(f"{k}={v}" for k, v in row.group.items()) or "-",
        *("-" if f is None else _value(f.estimate) for f in (one, other)),
        " -> ".join(verdicts) if row.turned else verdicts[-1],
        row.reason,
    )


@app.command()
def selfcheck(
    trainer: Annotated[
        str | None,
        typer.Argument(help="module:trainer, one or a factory (runs code); default: our own."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Released folder to search for rows of --train.")
    ] = None,
    train: Annotated[
        str | None, typer.Option("--train", help="Rows that must not be in --bundle.")
    ] = None,
    canaries: Annotated[
        int | None,
        typer.Option(help="Plant so many in whole trainings of our own: how much of ε is seen."),
    ] = None,
    dataset_id: DatasetId = None,
    ledger: LedgerOption = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Is this private training what it claims to be: exit 0 yes, 1 no, 3 cannot tell."""
    from genaudit import api

    with progress.bars(quiet=Settings.quiet) as bars:
        reports = api.selfcheck(
            trainer, bundle=bundle, train=train, canaries=canaries, seed=seed, ledger=ledger,
            dataset_id=dataset_id,
            progress=progress.audit_bar(bars, "Checking"),
        )  # fmt: skip
    if as_json:
        _print_json([r.model_dump(mode="json") for r in reports])
    else:
        for found in reports:
            print(_printable(found.trainer))
            for outcome in found.outcomes:
                print(_printable(f"  {outcome}"))
    for found in reports:
        if found.faulty:
            _say(f"At fault in {_printable(found.trainer)}: {', '.join(found.faulty)}.")
    codes = {found.exit_code for found in reports}
    raise typer.Exit(1 if 1 in codes else 3 if 3 in codes else 0)


@policy_app.command("show")
def policy_show(
    policy: Annotated[Path | None, typer.Argument(help="Policy (TOML); default: bundled.")] = None,
    as_json: Json = False,
) -> None:
    """Print the limits: metric, direction, value, owner, last day, source, reason."""
    from genaudit import api

    found = api.read_policy(policy)
    if as_json:
        _print_json([limit.model_dump(mode="json") for limit in found.limits])
        return
    print(_printable(f"{found.name}, version {found.version}, owner: {found.owner}"))
    print(f"Chance of any false 'outside' in a chapter: at most {found.alpha:.0%}\n")
    rows = [
        (limit.metric, limit.direction.value, f"{limit.value:g}", str(limit.expires or "-"),
         limit.owner, limit.source or "-", limit.rationale)
        for limit in found.limits
    ]  # fmt: skip
    _print_table(("metric", "direction", "limit", "expires", "owner", "source", "reason"), rows)


@policy_app.command("register")
def policy_register(
    policy: Annotated[Path, typer.Argument(help="Policy (TOML).")],
    ledger: LedgerOption = None,
    as_json: Json = False,
) -> None:
    """Enter a policy in the ledger before a run; its audits say whether it was in time."""
    from genaudit import api

    check_apart(policy, _ledger_files(ledger))
    found = api.register_policy(policy, ledger)
    if as_json:
        # `genaudit ledger verify --head` reads it.
        _print_json({"registration": found.model_dump(mode="json")})
        return
    print(f"{_printable(str(policy))} is entry {found.entry:,} of its ledger, since {found.time}.")


@ledger_app.command("show")
def ledger_show(
    ledger: LedgerOption = None,
    dataset_id: DatasetId = None,
    delta: Annotated[
        float | None,
        typer.Option("--delta", help="δ of the totals (default: the largest that is claimed)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print every touch of private data, and what the releases of each data set add up to."""
    from dataclasses import asdict

    from genaudit import inventory
    from genaudit.ledger import PrivacyLedger

    if delta is not None and not 0 < delta < 1:
        raise OptionError(f"Expected --delta in (0, 1), got {delta:g}.")
    book = PrivacyLedger(ledger)
    if ledger is not None:  # the default one is made by the first touch
        _check_exists(book)
    entries = book.entries(dataset=dataset_id)
    if as_json:
        _print_json({
            "touches": [{"seq": e.seq, "head": e.head, **e.touch.model_dump(mode="json")}
                        for e in entries],
            "totals": [asdict(total) for total in inventory.totals(entries, delta)],
        })  # fmt: skip
        return
    if not entries:
        _say(
            f"The ledger {book.path} holds no touch"
            + (f" of {dataset_id!r}." if dataset_id else ".")
        )
        return
    rows = [
        (str(e.seq), e.touch.time, e.touch.dataset, e.touch.scope.value, e.touch.kind.value,
         e.touch.purpose, str(e.touch.mechanism or ""))
        for e in entries
    ]  # fmt: skip
    _print_table(("seq", "time", "data set", "scope", "kind", "purpose", "mechanism"), rows)
    for line in inventory.spent(entries, delta):
        print(_printable(line))


@ledger_app.command("end")
def ledger_end(
    run: Annotated[str, typer.Argument(help="Training, as `genaudit ledger show` names it.")],
    ledger: LedgerOption = None,
) -> None:
    """End what a training that nobody will go on with has reserved; what it charged counts."""
    from genaudit.ledger import PrivacyLedger

    book = PrivacyLedger(ledger)
    _check_exists(book)
    touch = book.end(run)
    _say(f"Ended the training {run} of data set {touch.dataset!r}; what it charged counts.")


@ledger_app.command("verify")
def ledger_verify(
    ledger: LedgerOption = None,
    head: Annotated[
        Path | None,
        typer.Option(
            "--head",
            help="Model or checkpoint folder, what --json printed before, or the report of a "
            "registered policy.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute every digest of the ledger; with --head also that nothing was cut off since."""
    from genaudit import marks
    from genaudit.ledger import PrivacyLedger
    from genaudit.registration import check_entry, check_report

    book = PrivacyLedger(ledger)
    mark = marks.read(head) if head is not None else None
    if mark is None:
        _check_exists(book)
    book.verify(mark)
    made_by = marks.record(head) if head is not None else None
    if mark is not None and made_by is not None:
        book.check_lineage(mark, made_by)
    if head is not None and (entered := marks.registration(head)) is not None:
        told = marks.report(head)
        if told is not None:
            check_report(told, str(head))
        check_entry(entered, book, told)
    now = book.mark()
    if as_json:
        _print_json(now.model_dump(mode="json"))
        return
    tail = (
        f"the {mark.length:,} of {head} are the first of them."
        if mark is not None
        else "without --head it is not proven that none was cut off at the end, nor that whoever "
        "has the key did not write them anew."
    )
    print(f"{now.length:,} entries, each follows from the one before; {tail}")


def _check_exists(book: PrivacyLedger) -> None:
    if not book.exists():
        raise OptionError(
            f"Expected a ledger at {str(book.path)!r}, found none; name another with --ledger."
        )


@app.command("list")
def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")], as_json: Json = False
) -> None:
    """List audits, models, regulations or data sets."""
    from genaudit import inventory

    rows = inventory.listing(what.value)
    if as_json:
        _print_json(rows)
    elif what is Listed.REGULATIONS:
        _print_clauses(rows)
    else:
        _print_table(tuple(rows[0]), [tuple(_cell(v) for v in r.values()) for r in rows])


def _print_clauses(rows: Sequence[Mapping[str, Any]]) -> None:
    """Clauses in short, then what the operator is asked; --json has all of both."""
    heads = ("id", "regulation", "clause", "in_force", "certainty", "applicability")
    cells = [tuple(str(row["clause"]["en"] if h == "clause" else row[h]) for h in heads)
             for row in rows]  # fmt: skip
    _print_table(heads, cells)
    print("\nAnswered under [applicability] in context.toml (genaudit context writes one):")
    asked = {row["applicability"]: row["question"]["en"] for row in rows}
    _print_table(("key", "question"), list(asked.items()))


@app.command()
def context(
    out: Annotated[Path | None, typer.Option("--out", help="New file; default: print it.")] = None,
    lang: Annotated[Lang, typer.Option("--lang", help="Language.")] = Lang.EN,
) -> None:
    """Write a context.toml to fill in: what only you know, and which regulations apply."""
    from genaudit.atomic import write_text
    from genaudit.compliance.context import template

    text = template(lang.value)
    if out is None:
        _print_file(text)
        return
    check_file(out)
    if out.exists():
        raise OptionError(f"Expected a new file, got {str(out)!r}, which holds answers already.")
    write_text(out, text)
    _say(f"Wrote {out}; answer it, then: genaudit audit ... --context {out}")


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@app.command()
def calibrate(
    audits: Annotated[
        list[str] | None,
        typer.Option("--audit", help="Audit to measure; repeatable. Default: all."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", help="Draws of each world.")] = 200,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; -1 = one for each core.")] = -1,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Record to write; default: the one that reports use."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """How often each audit and bound raises a false alarm, measured: exit 0 as promised, 1 not."""
    from genaudit import api
    from genaudit.battery.measure import visible

    with progress.bars(quiet=Settings.quiet) as bars:
        found, path, faults = api.calibrate(
            audits, runs=runs, jobs=jobs, seed=seed, out=out,
            progress=progress.audit_bar(bars, "Calibrating"),
        )  # fmt: skip
    rows = [r.model_dump(mode="json") for r in found.rates]
    if as_json:
        _print_json(rows)
    else:
        heads = ("metric", "world", "runs", "above", "limited", "outside", "doubted")
        _print_table(heads, [tuple(_cell(row[h]) for h in heads) for row in rows])
    for fault in faults:
        _say(f"{_printable(fault)}.")
    for promised, named in visible(found).items():
        _say(f"Where {promised:.0%} are promised, {found.runs} draws of each world name a metric "
             f"four times of five if it alarms in {named:.0%} of runs.")  # fmt: skip
    _say(f"Wrote {_printable(str(path))}.")
    raise typer.Exit(1 if faults else 0)


def _say(text: str) -> None:
    if sys.stderr is not None and (not Settings.quiet or text.startswith("Error")):
        try:
            print(*map(_printable, text.split("\n")), sep="\n", file=sys.stderr, flush=True)
        except OSError:  # where nobody can be told, the exit code still says it
            _drop(sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,  # noqa: ARG001  the signature is Python's
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    if issubclass(category, GenauditWarning):
        _say(f"Warning: {message}")


def _print_json(rows: Any) -> None:
    """JSON, whose own escapes stand for what an encoding other than UTF-8 might lack."""
    plain_only = getattr(sys.stdout, "encoding", None) not in ("utf-8", "UTF-8")
    print(json.dumps(rows, ensure_ascii=plain_only, indent=2))


def _print_file(text: str) -> None:
    """What is a file (TOML) as UTF-8, whatever the encoding of texts; on a terminal as a text."""
    if not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.isatty():
        print(text, end="")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns aligned by spaces: it reads well in a terminal and cuts well in a pipe."""
    shown = [tuple(_printable(c) for c in row) for row in (head, *rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(head) - 1)]
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


def _printable(text: str) -> str:
    """Text without control characters: a column name must not drive the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _promise(trained: Any) -> str:
    claim = trained.claim
    if claim is None:
        return "It makes no privacy claim."
    budget = f"ε = {claim.epsilon:g} at δ = {claim.delta:g}"
    return f"It claims {budget} for one {claim.unit} ({claim.relation})."


def _conditions(where: list[str], known: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for condition in where:
        column, value = _condition(condition, known)
        if column in found:
            raise OptionError(f"Column {column!r} is in --where twice; expected each once.")
        found[column] = value
    return found or None


def _condition(condition: str, known: Sequence[str]) -> tuple[str, str]:
    """Column and value: split after the longest known name, as names may hold `=` too."""
    names = [name for name in known if condition.startswith(f"{name}=")]
    name = max(names, key=len, default=condition.partition("=")[0])
    if len(name) == len(condition) or (not name and not names):
        raise OptionError(f"Expected --where COLUMN=VALUE, got {condition!r}.")
    return name, condition[len(name) + 1 :]


def _command() -> str:
    """This command as a person would repeat it, without where the result went."""
    import shlex

    words, kept, skip = sys.argv[1:], ["genaudit"], False
    for word in words:
        if skip or word in ("--quiet", "-q"):
            skip = False
        elif word in ("--out", "--ledger"):
            skip = True
        elif not word.startswith(("--out=", "--ledger=")):
            kept.append(word)
    return shlex.join(kept)


def _say_report(report: AuditReport) -> None:
    from genaudit.result import Status

    for _, finding in report.findings():
        if finding.limit and finding.verdict in ("outside", "cannot_tell"):
            _say(_finding_line(finding))
    skipped = [s.audit for s in report.sections if s.status is not Status.RAN]
    if skipped:
        _say(f"Not measured: {', '.join(skipped)}.")


def _finding_line(finding: Any) -> str:
    limit, value = finding.limit, _value(finding.estimate)
    group = " ".join(f"{k}={v}" for k, v in finding.group.items())
    line = (
        f"{finding.verdict:<12}  {finding.metric}  {value}, limit {limit.direction} {limit.value:g}"
    )
    return _printable(f"{line}  {group}".rstrip())


def _value(e: Any) -> str:
    """An estimate with its interval, or that there is none."""
    from genaudit.data.disclosure import is_hidden

    if e.value is None:
        return "not shown" if is_hidden(e.reason) else "not estimable"
    return f"{e.value:.4g} ({_bound(e.low)} to {_bound(e.high)})"


def _bound(x: float | None) -> str:
    return "?" if x is None else f"{x:.4g}"


def _unmeasured_limits(report: AuditReport) -> list[str]:
    """Limited metrics without a finding: what nobody measured is never within."""
    measured = {f.metric for _, f in report.findings()}
    return [limit.metric for limit in report.policy.limits if limit.metric not in measured]


def _whose_limits(report: AuditReport, audit_json: Path, policy: Path | None) -> str:
    where = f"stored in {audit_json}" if policy is None else f"of {policy}"
    whose = f"{report.policy.name}, version {report.policy.version}, owner: {report.policy.owner}"
    return _printable(f"Judged by the limits {where} ({whose}).")


def _judged(report: AuditReport) -> str:
    """How many findings a limit judged, and how; why nothing can pass where there is no limit."""
    n = Counter(str(f.verdict) for _, f in report.findings() if f.limit)
    reduced = f", {n['info']} reduced" if n["info"] else ""
    said = (
        f"Findings that a limit judges: {n.total()} ({n['outside']} outside, {n['cannot_tell']} "
        f"cannot tell, {n['within']} within{reduced}); limits that nothing was held against: "
        f"{len(_unmeasured_limits(report))}."
    )
    if report.policy.limits:
        return said
    return f"{said} This policy sets no limit, so nothing can pass; give one that does (--policy)."


def _gate(report: AuditReport) -> int:
    """1 outside, 3 where it cannot be told or no limit of a policy judges, else 0."""
    if report.verdict == "outside":
        return 1
    undecided = report.verdict == "cannot_tell" or _unmeasured_limits(report)
    return 3 if undecided or not report.policy.limits else 0
