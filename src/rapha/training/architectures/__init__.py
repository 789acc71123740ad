"""The table of what can be trained. An architecture that is not in it is refused, never replaced by another.

Every entry takes `Inputs` and the places [b] of the rows to read, and gives one number a row [b]: the logit of the risk
for a binary outcome, the logarithm of the relative hazard for a time-to-event outcome, the standardised number for a numeric
one; of a categorical outcome the logit of each of K classes [b, K]. Its tensors are exactly those
of `rapha.records.tensors.declared_weights`.

    name            reads                  gives
    logistic        features               logit, or logits
    linear          features               number
    mlp             features               logit, logits, number
    cox             features               log hazard
    deep-survival   features               log hazard
    gru             features, sequence     logit, logits, number
    text-classifier features, note         logit, or logits
    image-classifier features, image       logit, or logits
    variant-classifier features, genotypes logit, or logits
    late-fusion     features, any arrays   logit, logits, number
    segmenter       an image               a logit a voxel: [b, *sides of the image]; of several segments [b, 1 + segments, *sides]
    exported        features, any arrays   logit, or log hazard
    causal-lora     note                   logit
"""

from collections.abc import Callable

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import learns_in_deviations
from rapha.training.architectures.causal import build_causal
from rapha.training.architectures.exported import build_exported
from rapha.training.architectures.joined import build_joined
from rapha.training.architectures.linear import build_cox, build_regression
from rapha.training.architectures.network import Network, Standards
from rapha.training.architectures.perceptron import build_deep_survival, build_mlp
from rapha.training.architectures.recurrent import build_gru
from rapha.training.architectures.u_net import build_u_net
from rapha.training.numerics import generator

TABLE: dict[str, Callable[[Study], Network]] = {
    "logistic": build_regression,
    "linear": build_regression,
    "mlp": build_mlp,
    "cox": build_cox,
    "deep-survival": build_deep_survival,
    "gru": build_gru,
    "text-classifier": build_joined,
    "image-classifier": build_joined,
    "variant-classifier": build_joined,
    "late-fusion": build_joined,
    "segmenter": build_u_net,
}


def build(study: Study, graph: bytes | None = None) -> Network:
    """The study's model, with the first weights that its seed gives: the same at every site. `graph`: the file of an exported
    model, which has its first weights with it, or of an adapter's base.

    Raises:
        TrainingFailed: the table has no such architecture, or the graph is not one that is read.
    """
    name = study.model.architecture
    if name == "exported":
        return build_exported(study, graph)
    if name == "causal-lora":
        adapter = build_causal(study, graph)
        adapter.reset(generator(study.training.seed, "weights"))
        return adapter
    if name not in TABLE:
        raise TrainingFailed(
            f"the architecture {name} cannot be built; there are: {', '.join(TABLE)}", "not-yet-possible"
        )
    network = TABLE[name](study)
    if learns_in_deviations(study):
        network.outcome = Standards(1)
    network.reset(generator(study.training.seed, "weights"))
    return network
