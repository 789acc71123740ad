"""A ready model from a delivered folder, once its receipts are verified."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapha.errors import ConfigurationError, RaphaError, StudyError, Unproven
from rapha.proof.claim import WEIGHTS_FILE
from rapha.proof.verify import judge
from rapha.records.association import Gwas
from rapha.records.learning import Script
from rapha.records.outputs import HeadOf
from rapha.records.receipt import Verdict
from rapha.records.study import Study
from rapha.records.tensors import declared_head
from rapha.records.wire import TrustedKeys
from rapha.sdk.folder import read_folder, read_keys
from rapha.sdk.graph_file import read_graph_of
from rapha.sdk.report.findings import read_study_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from rapha.training.predict import Model


def load(
    folder: Path | str, keys: TrustedKeys | Path | str | None = None, *, head: Path | str | None = None
) -> "Model":
    """The model of a folder that `rapha study fetch` wrote, with `predict`.

    `keys` are public keys of hub and hospitals known beforehand, or a file of them. Without, the folder's own are used,
    which shows that nothing was changed since it was signed, and not by whom. `head`: at a hospital, the file of its personal
    head of this study, which takes the place of the shared last layer; no receipt vouches for it.

    Raises:
        Unproven: a receipt, or a file it vouches for, does not verify; nothing is loaded.
        Unproven: also where `head` is of another study, or of other weights, by the file that its hospital keeps beside it.
        TrainingFailed: `head` is not a last layer of this study's model.
        ConfigurationError: torch is not installed.
        StudyError: it is the result of a GWAS, which predicts nothing.
    """
    study, weights = verified(folder, keys)
    if isinstance(study.model, Gwas):
        raise StudyError(f"{study.study} is a GWAS, which predicts nothing: see `rapha study associations {folder}`")
    if isinstance(study.model, Script):
        raise StudyError(
            f"{study.study} was trained by a script: call its own `predict`, with the tensors of {folder}/{WEIGHTS_FILE}"
        )
    try:
        from rapha.training.predict import load_model
        from rapha.training.weights import read_weights
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None
    if head is not None:
        _check_head_of(Path(head), study, Path(folder))
        weights |= read_weights(Path(head), declared_head(study))
    return load_model(study, weights, read_graph_of(Path(folder), study))


def verified(
    folder: Path | str, keys: TrustedKeys | Path | str | None = None
) -> "tuple[Study, dict[str, npt.NDArray[Any]]]":
    """Study and tensors of such a folder. Raises as `load`."""
    folder = Path(folder)
    pinned = keys if keys is None or isinstance(keys, TrustedKeys) else read_keys(Path(keys))
    check_verdicts(judge(read_folder(folder, pinned)), folder)
    study = read_study_of(folder)
    try:
        from safetensors.numpy import load_file
    except ModuleNotFoundError as error:
        raise _not_installed(error) from None
    return study, load_file(folder / WEIGHTS_FILE)


def _check_head_of(head: Path, study: Study, folder: Path) -> None:
    beside = head.with_suffix(".json")
    try:
        of = HeadOf.from_bytes(beside.read_bytes())
    except (OSError, ValueError, RaphaError) as error:
        raise Unproven(
            f"{beside} does not say which model the head is of: give the head where its node keeps it"
        ) from error
    with (folder / WEIGHTS_FILE).open("rb") as file:
        weights = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if of.study_digest != study.digest:
        raise Unproven(f"{head} is a head of another study than {folder}: `rapha node heads` lists which is of which")
    if of.weights != weights:
        raise Unproven(f"{head} is a head of other weights than those of {folder}: fetch the folder of its run")


def _not_installed(error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(f"a model needs {error.name}, which is not installed: pip install 'rapha[train]'")


def check_verdicts(verdicts: tuple[Verdict, ...], folder: Path) -> None:
    """Raises Unproven at the first receipt that does not verify."""
    for verdict in verdicts:
        if not verdict.ok:
            failed = next((step for step in verdict.steps if not step.passed), None)
            why = f"step {failed.number}, {failed.check.lower()}: {failed.detail}" if failed else "no step was taken"
            raise Unproven(f"{folder}: {verdict.subject} does not verify ({why}); fetch the folder again")
