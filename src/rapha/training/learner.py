"""One site's work, command by command, with rows and network kept warm between rounds."""

from pathlib import Path

import numpy as np

from rapha.errors import TrainingFailed
from rapha.records.association import Gwas
from rapha.records.audit import Guesses, RawAudit
from rapha.records.learning import Script
from rapha.records.outputs import (
    EVALUATION,
    FIGURES,
    HEAD,
    OTHERS,
    SCORES,
    TRANSCRIPT,
    WEIGHTS,
    Command,
    Figure,
    Figures,
    RawEvaluations,
)
from rapha.records.study import Study
from rapha.records.tensors import Declared, declared_start, declared_weights, outputs_of
from rapha.records.variates import VARIATE, declared_given, declared_variates
from rapha.training.architectures import build
from rapha.training.architectures.causal import CausalAdapter
from rapha.training.architectures.network import Network
from rapha.training.association import site_sums
from rapha.training.canaries import Canaries
from rapha.training.dataset import Dataset, Floats
from rapha.training.evaluate import evaluate_scores, evaluate_site
from rapha.training.inputs import Inputs, Weights, make_inputs
from rapha.training.loop import train_round
from rapha.training.membership import Membership, measure_scores
from rapha.training.metrics import evaluation, figures
from rapha.training.numerics import generator
from rapha.training.perplexity import text_figures
from rapha.training.personal import tune_head
from rapha.training.pooled import score
from rapha.training.private import train_privately
from rapha.training.statistics import feature_statistics
from rapha.training.transcript import Recorder
from rapha.training.weights import load_into, read_scores, read_weights, views_of, write_bytes, write_tensors


class Learner:
    """Does what a `Command` says and leaves the outcome in `output`, under the names of `rapha.records.outputs`.

    What a command gives depends on the command, the weights and the rows alone, not on the commands before it; under
    differential privacy also on chance, which nobody can repeat.
    """

    def __init__(self, study: Study, dataset: Dataset, weights: Path, output: Path, graph: bytes | None = None) -> None:
        """`graph`: the file of an exported model; read at the first command, so that what is wrong with it has a reason."""
        self._study, self._dataset, self._graph = study, dataset, graph
        self._weights, self._output = weights, output
        self._network: Network | None = None
        self._standards: dict[str, bytes] = {}
        self._inputs: tuple[Inputs, Inputs] | None = None
        self._membership: Membership | None = None

    def do(self, command: Command) -> None:
        """Raises TrainingFailed, with a reason; OSError when the output cannot be written."""
        if not isinstance(self._study.model, Gwas | Script):
            self._built()
        match command.do:
            case "prepare":
                self._prepare()
            case "train" if isinstance(self._study.model, Gwas):
                self._sum(command)
            case "train":
                self._train(command, self._built())
            case "evaluate" if isinstance(self._study.model, Script):
                self._measure_script(command)
            case "evaluate":
                self._evaluate(command)

    def _prepare(self) -> None:
        if not len(self._dataset.train):
            raise TrainingFailed("there are no training rows: widen the cohort", "cohort-empty")
        write_tensors(self._output / WEIGHTS, feature_statistics(self._study, self._dataset.train))
        self._write_figures(())

    def _built(self) -> Network:
        if self._network is None:
            self._network = build(self._study, self._graph)
        return self._network

    def _sum(self, command: Command) -> None:
        sums = site_sums(self._study, self._dataset.train, self._start(command), command.round)
        write_tensors(self._output / WEIGHTS, sums)
        self._write_figures(())

    def _train(self, command: Command, network: Network) -> None:
        first = command.round == 1
        start = self._start(command)
        if first:
            network.reset(generator(self._study.training.seed, "weights"))
        load_into(network, {name: values for name, values in start.items() if not name.startswith(VARIATE)})
        train, validation = self._standardised(start)
        if isinstance(network, CausalAdapter) and (canaries := _canaries_for(network, command)):
            network.planted = canaries.planted
        if self._study.privacy.differential_privacy:
            guesses = train_privately(self._study, network, train, command.round)
            write_tensors(self._output / WEIGHTS, views_of(network))
            # A loss is not accounted for, and so does not leave.
            self._write_figures((), self._audit(command, network, start, guesses))
            return
        recorder = Recorder(command.recording, command.round) if command.recording else None
        loss = train_round(self._study, network, train, command.round, self._correction(command, start), recorder)
        if recorder:
            write_bytes(self._output / TRANSCRIPT, recorder.leaves)
            if recorder.stopped:  # what is asked for is the state at that step: nothing of it can be a round's outcome
                return
        write_tensors(self._output / WEIGHTS, views_of(network))
        held_out = figures(score(network, validation), self._dataset.validation) + text_figures(network, validation)
        found = (Figure(name="loss", value=loss), *(f for f in held_out if f.name != "loss"))
        self._write_figures(found, self._audit(command, network, start))

    def _evaluate(self, command: Command) -> None:
        weights = self._read(command, declared_weights(self._study))
        self._network = None  # of a large model there is room for few at once
        evaluations = evaluate_site(self._study, weights, self._dataset, self._graph)
        if self._study.training.personal:
            evaluations = self._with_head(evaluations, weights)
        if command.audit:
            network = build(self._study, self._graph)
            load_into(network, weights)
            evaluations = evaluations.model_copy(update={"audit": self._audit(command, network, weights)})
        write_bytes(self._output / EVALUATION, evaluations.as_bytes())

    def _with_head(self, evaluations: RawEvaluations, weights: Weights) -> RawEvaluations:
        """Tune this site's own last layer and leave it for the node; how the model does with it, where figures may leave."""
        network, (train, validation) = build(self._study, self._graph), self._standardised(weights)
        load_into(network, weights)
        write_tensors(self._output / HEAD, tune_head(self._study, network, train, validation, self._dataset))
        if self._study.privacy.differential_privacy:
            return evaluations
        test = self._dataset.test
        own = evaluation(score(network, make_inputs(test, weights)), test, "personal")
        return evaluations.model_copy(update={"evaluations": (*evaluations.evaluations, own)})

    def _measure_script(self, command: Command) -> None:
        """What a script's own `predict` gave, where it has one and figures may leave; the node has laid it beside the weights."""
        scores, others = (self._given(name) for name in (SCORES, OTHERS))
        found = evaluate_scores(self._study, scores, self._dataset)
        if command.audit and scores is not None:
            audit = measure_scores(self._study, self._dataset, scores, others)
            found = found.model_copy(update={"audit": audit})
        write_bytes(self._output / EVALUATION, found.as_bytes())

    def _given(self, name: str) -> Floats | None:
        file = self._weights / name
        return read_scores(file, self._dataset) if file.exists() else None

    def _audit(
        self, command: Command, network: Network, weights: Weights, guesses: Guesses | None = None
    ) -> RawAudit | None:
        """What the network remembers, where the command asks."""
        if not command.audit:
            return None
        self._standardised(weights)
        if self._membership is None:
            standards = {name: weights[name].copy() for name in declared_start(self._study)}
            self._membership = Membership(self._study, self._dataset, standards, self._graph)
        found = self._membership.measure(network, command.round, guesses)
        canaries = _canaries_for(network, command)
        if canaries is None or not isinstance(network, CausalAdapter):
            return found
        return found.model_copy(update={"canaries": canaries.measure(network)})

    def _start(self, command: Command) -> Weights:
        """What a round starts from."""
        return self._read(command, declared_given(self._study, command.round))

    def _correction(self, command: Command, start: Weights) -> Weights | None:
        """SCAFFOLD: the mean gradient of all sites, less that of this one, which is 0 before there is one."""
        declared = declared_variates(self._study)
        if not declared or command.round == 1:
            return None
        own = read_weights(self._weights / command.variates, declared) if command.variates else {}
        return {name.removeprefix(VARIATE): start[name] - own.get(name, np.float32(0)) for name in declared}

    def _read(self, command: Command, declared: Declared) -> Weights:
        if command.weights is None:
            raise TrainingFailed(f"{command.do} needs weights to start from", "weights-unreadable")
        return read_weights(self._weights / command.weights, declared)

    def _standardised(self, weights: Weights) -> tuple[Inputs, Inputs]:
        """Training and validation rows as tensors; made once, as long as the sites' standards stay the same."""
        standards = {name: weights[name].tobytes() for name in declared_start(self._study)}
        if self._inputs is None or standards != self._standards:
            self._inputs = (make_inputs(self._dataset.train, weights), make_inputs(self._dataset.validation, weights))
            self._standards, self._membership = standards, None
        return self._inputs

    def _write_figures(self, found: tuple[Figure, ...], audit: RawAudit | None = None) -> None:
        validation = self._dataset.validation
        record = Figures(
            rows=len(self._dataset.train),
            positives=validation.positives,
            negatives=len(validation) - validation.positives,
            figures=found,
            classes=validation.classes(outputs_of(self._study)),
            audit=audit,
        )
        write_bytes(self._output / FIGURES, record.as_bytes())


def _canaries_for(network: Network, command: Command) -> Canaries | None:
    """What is planted among the notes, where an adapter learns to write."""
    if not isinstance(network, CausalAdapter) or not network.model.generative:
        return None
    if command.canaries is None:
        raise TrainingFailed("an adapter that learns to write came without a secret to draw its canaries with")
    return Canaries(network, command.canaries)
