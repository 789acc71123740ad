"""A study in the words of a clinician: plain sentences, grouped as one would tell them."""

import math
from typing import NamedTuple, assert_never

from rapha.records.association import Gwas
from rapha.records.averaging import kind_of
from rapha.records.cohort_spec import events_in
from rapha.records.concept import CodeSet, Concept
from rapha.records.language import CausalLora
from rapha.records.learning import (
    ArchitectureSpec,
    Cox,
    DeepSurvival,
    Exported,
    Gru,
    ImageClassifier,
    LateFusion,
    LinearModel,
    Logistic,
    Mlp,
    Script,
    TextClassifier,
    TrainingSpec,
    VariantClassifier,
)
from rapha.records.mention import Mention
from rapha.records.metrics import StudyMetrics
from rapha.records.payment import Payment
from rapha.records.segmenter import Segmenter
from rapha.records.study import Purpose, Study
from rapha.sdk.cohort_words import and_words, criterion_in_words, feature_in_words, index_in_words, or_words
from rapha.sdk.outcome_words import outcome_sentences
from rapha.sdk.variant_words import rule_in_words


class Section(NamedTuple):
    """A heading and its sentences."""

    title: str
    sentences: tuple[str, ...]


LEARNS = "How it learns"
LOOKS_AHEAD = "Mind: who is in depends on what happens after the index, which nobody knows then: such a group can be told apart only later."


def in_words(study: Study) -> tuple[Section, ...]:
    """Everything a study asks, section by section."""
    cohort = study.cohort
    who = (
        index_in_words(cohort.index),
        *((f"A stay is a record of {or_words(cohort.encounter)}.",) if cohort.encounter else ()),
        *(f"To be in: {criterion_in_words(each)}." for each in cohort.include),
        *(f"Left out: {criterion_in_words(each)}." for each in cohort.exclude),
        *(
            (LOOKS_AHEAD,)
            if any(not each.during.past for each in events_in((*cohort.include, *cohort.exclude)))
            else ()
        ),
    )
    return (
        Section("Purpose", (study.purpose.sentence, *_stated(study.purpose))),
        Section("Who is studied", who),
        Section("What is predicted", outcome_sentences(study.outcome)),
        Section("What the model sees", tuple(feature_in_words(each) for each in study.features)),
        Section(
            LEARNS,
            (architecture_in_words(study.model), *_by_class(study), *_training(study.training), _split(study)),
        ),
        Section("What holds for every hospital", _terms(study)),
        *((Section("What is paid", _payment(study.payment)),) if study.payment else ()),
        Section("What the words mean", tuple(_concept(name, each) for name, each in study.concepts.items())),
    )


def in_words_with(study: Study, metrics: StudyMetrics) -> tuple[Section, ...]:
    """The same of a study that is done: also where its rounds had no figure to end or choose by."""
    missed = _without_a_figure(study.training, metrics)
    return tuple(
        section._replace(sentences=(*section.sentences, *missed)) if section.title == LEARNS else section
        for section in in_words(study)
    )


def _without_a_figure(training: TrainingSpec, metrics: StudyMetrics) -> tuple[str, ...]:
    had = {score.name for each in metrics.history for score in each.mean}
    ends, best = training.early_stopping, training.keep
    lacks = "of the patients it is followed on: every hospital has too few of them with, or without, the outcome"
    return (
        *(
            (f"No round had the {ends.metric} {lacks}. So training did not end early.",)
            if ends and ends.metric not in had
            else ()
        ),
        *(
            (f"No round had the {best.best} {lacks}. So the model of the last round is released.",)
            if best and best.best not in had
            else ()
        ),
    )


def _stated(purpose: Purpose) -> tuple[str, ...]:
    """What the researcher says of themselves, for whoever has to find out whether it is so."""
    return (
        *((f"Diseases: {', '.join(purpose.diseases)}.",) if purpose.diseases else ()),
        *((f"Institution, as stated: {purpose.institution}.",) if purpose.institution else ()),
        *((f"Country, as stated: {purpose.country}.",) if purpose.country else ()),
        *((f"Ethics approval, as stated: {purpose.ethics_approval}.",) if purpose.ethics_approval else ()),
    )


def _by_class(study: Study) -> tuple[str, ...]:
    names, of_voxels = study.outcome.classes, study.outcome.voxel_classes
    if of_voxels:
        return (f"It gives each voxel a probability for each of {len(of_voxels)} classes: {and_words(of_voxels)}.",)
    return (f"It gives each of the {len(names)} classes a probability: {and_words(names)}.",) if names else ()


def architecture_in_words(model: ArchitectureSpec) -> str:
    """What kind of model it is, in one sentence."""
    match model:
        case Logistic():
            return "A logistic regression: one weight for every feature."
        case Mlp():
            return f"A neural network with {_layers(model.hidden)}."
        case Cox():
            return "A Cox proportional hazards model: one weight for every feature."
        case LinearModel():
            return "A linear model: one weight for each feature."
        case DeepSurvival():
            return f"A neural network with {_layers(model.hidden)}, trained as a Cox model (DeepSurv)."
        case Gru():
            return (
                f"A recurrent network (GRU, {model.hidden} units) that reads a patient's measurements in their order."
            )
        case TextClassifier():
            return f"A linear model over the words of a note, each word one of {model.buckets} learnt vectors."
        case ImageClassifier():
            return f"A convolutional network over a picture, with {len(model.channels)} layers."
        case VariantClassifier():
            return f"A neural network over variants, with a layer of {model.units}."
        case Segmenter():
            how = ", slice by slice" if model.slice_by_slice else ""
            return f"A U-Net that says of every voxel to which segment it belongs, if to any{how}, on {len(model.channels)} levels."
        case Gwas():
            components = (
                f" and for {model.components.count} principal components of their genotypes, which the rounds before the regressions find; "
                "nobody's components leave a hospital"
                if model.components
                else ""
            )
            return (
                f"A genome-wide association study: every variant by itself, adjusted for the other features{components}. A hospital sends "
                f"sums over its patients, and nothing of a variant of which it has fewer than {model.least_allele_count} copies of the "
                "rarer allele."
            )
        case LateFusion():
            return (
                "Each note, picture and row of genotypes is read by a network of its own, the numbers by another; a last one "
                "joins what they see. A patient without one of them stays in, and the model is told that it is missing."
            )
        case Exported():
            numbers = sum(math.prod(shape) for shape in model.parameters.values())
            return (
                f"A model of the researcher's own, of {numbers:,} learnt numbers. It comes as a graph of allowed operators and not as "
                f"code; the hospital's own trainer trains it ({model.graph})."
            )
        case Script():
            return _script(model)
        case CausalLora():
            return _adapter(model)
        case _ as unreachable:
            assert_never(unreachable)


def _adapter(model: CausalLora) -> str:
    numbers = sum(math.prod(shape) for shape in model.parameters.values())
    learns = (
        "It learns to write such notes, token by token: it is generative, and whatever it knows by heart it could write."
        if model.generative
        else "It learns the outcome alone, and not to write."
    )
    return (
        f"A LoRA adapter of {numbers:,} learnt numbers, of rank {model.rank}, of a language model of the researcher's own that stays as it is "
        f"({model.base}). {learns}"
    )


def _script(model: Script) -> str:
    numbers = sum(math.prod(shape) for shape in model.tensors.values())
    if model.mode == "B":
        how = (
            f"Release mode B: it runs on {model.shards} disjoint shards of the patients, each by itself; what leaves is the mean of what it "
            "gives, each result shortened, with noise that the node adds."
        )
    else:
        how = (
            "Release mode C: the weights that it gives leave as they are. Nobody can say what they carry: a script may put rows of patients "
            "into them, and no check of numbers would see it."
        )
    return f"A Python script of the researcher's own, with {numbers:,} numbers that come back ({model.script}). {how}"


def _training(training: TrainingSpec) -> tuple[str, ...]:
    epochs = "one pass" if training.local_epochs == 1 else f"{training.local_epochs} passes"
    return (
        f"{training.rounds} rounds: in each, every hospital makes {epochs} over its own patients, and the results are "
        f"{_WAYS[kind_of(training.aggregation) or '']}.",
        *_stopping(training),
        *_best(training),
        *_travel(training),
        *_personal(training),
    )


def _personal(training: TrainingSpec) -> tuple[str, ...]:
    if training.personal is None:
        return ()
    return (
        "After the last round each hospital tunes the last layer of the model on its own patients. That layer stays in the hospital; how the "
        "model does with it is let out, beside how the shared model does.",
    )


def _travel(training: TrainingSpec) -> tuple[str, ...]:
    if training.updates == "float32":
        return ()
    return (f"From the second round on, what a hospital sends is the change of a round, in {training.updates}.",)


def _best(training: TrainingSpec) -> tuple[str, ...]:
    if training.keep is None:
        return ()
    return (
        f"The model of the round with the best {training.keep.best} of the patients it is followed on is released.",
    )


def _stopping(training: TrainingSpec) -> tuple[str, ...]:
    if not (terms := training.early_stopping):
        return ()
    return (
        f"Training ends early once the {terms.metric} of the patients it is followed on was no better for "
        f"{terms.patience} {'round' if terms.patience == 1 else 'rounds'}.",
    )


_WAYS = {
    "fedavg": "averaged by number of training patients (federated averaging)",
    "fedprox": "averaged by number of training patients, each hospital being held near to where the round began (FedProx)",
    "fedavgm": "averaged by number of training patients, and the model moved by that change with momentum (FedAvgM)",
    "fedadam": "averaged by number of training patients, and the model moved by that change as Adam would (FedAdam)",
    "fedyogi": "averaged by number of training patients, and the model moved by that change as Yogi would (FedYogi)",
    "median": "merged by the median of each number, every hospital counting alike",
    "trimmed-mean": "averaged without the highest and lowest of each number, every hospital counting alike",
    "scaffold": "averaged by number of training patients, every hospital's steps being corrected for how its patients differ (SCAFFOLD)",
    "sum": "added up",
    "norm-clip": "averaged by number of training patients, a change that is too long being shortened first",
}


def _split(study: Study) -> str:
    split = study.split
    return (
        f"Of each hospital's patients {split.test_percent} % are held out to test the final model, and "
        f"{split.validation_percent} % to follow the training; no patient is on two sides."
    )


def _terms(study: Study) -> tuple[str, ...]:
    least, some = study.sites.at_least, study.privacy.min_cohort
    only = f" Only these are asked: {and_words(study.sites.only)}." if study.sites.only else ""
    return (
        f"At least {least} hospital{'s' if least > 1 else ''} must take part in every round.{only}",
        f"No hospital trains on fewer than {some} patients, and no count of fewer is shown.",
        f"Asked back: {and_words(study.release)}, and a signed receipt from every hospital. No patient's data leaves.",
        _privacy(study),
    )


def _privacy(study: Study) -> str:
    terms = study.privacy.differential_privacy
    if terms is None:
        return "No differential privacy is applied."
    return (
        f"Differential privacy at every hospital: epsilon {terms.epsilon:g} and delta {terms.delta:g} for each patient, over "
        "all rounds together. No figure of how well the model does leaves; rounded counts do."
    )


def _payment(terms: Payment) -> tuple[str, ...]:
    shares = "".join(f", {other.percent} % of it to {other.account}" for other in terms.others)
    judged = (
        f"Within {terms.referee.window_days} days the payer may object; then {terms.referee.account} decides, in "
        f"{terms.referee.ruling_days} days, and where they say nothing the hospital is paid."
        if terms.referee
        else "Nobody can object."
    )
    return (
        f"Each hospital is paid {terms.each_site} wei for computing{shares}. Nothing is paid for data.",
        f"It is held by {terms.escrow} on chain {terms.chain}, and paid against the hospital's receipt in {terms.log}, until "
        f"the end of {terms.until} (UTC). {judged}",
    )


def _concept(name: str, concept: Concept) -> str:
    if concept.mention:
        return f"{name}: {mention_in_words(concept.mention)}."
    if concept.variant:
        return f"{name}: {rule_in_words(concept.variant)}."
    said = f"{name}: {or_words(tuple(map(_code_set, concept.any_of)))}"
    if concept.exclude:
        said += f", without {and_words(tuple(map(_code_set, concept.exclude)))}"
    if concept.written_by:
        said += f", written by a {or_words(concept.written_by)}"
    if concept.language:
        said += f", in the language {or_words(concept.language)}"
    if concept.unit:
        others = f", converted from {and_words(tuple(concept.convert))}" if concept.convert else ""
        said += f"; numbers in {concept.unit}{others}, none of another unit"
    return f"{said}."


def mention_in_words(mention: Mention) -> str:
    """As a note must say it."""
    quoted = or_words(tuple(f"“{phrase}”" for phrase in mention.phrases))
    where = f", under {or_words(mention.sections)}" if mention.sections else ""
    where += f", but not under {or_words(mention.not_sections)}" if mention.not_sections else ""
    meant = f"{or_words(mention.polarity)}, of the {or_words(mention.about)}, {or_words(mention.time)}"
    return f"a note of {or_words(mention.notes)} says {quoted}{where} ({meant})"


def _code_set(each: CodeSet) -> str:
    codes = "code" if len(each.codes) == 1 else "codes"
    below = " and all below" if each.descendants else " and what is mapped to it" if each.mapped else ""
    return f"{codes} {or_words(each.codes)}{below} ({each.system})"


def _layers(hidden: tuple[int, ...]) -> str:
    plural = "s" if len(hidden) > 1 else ""
    return f"{len(hidden)} hidden layer{plural} of {and_words(tuple(map(str, hidden)))} units"
