"""Whether a graph is the one that a study states: what it is given, and which tensors it has."""

from rapha.errors import TrainingFailed
from rapha.graph.forms import Graph
from rapha.records.learning import Exported
from rapha.records.study import Study
from rapha.records.tensors import STEP_INPUTS, dense_of, feature_names, sequence_of

Given = tuple[tuple[tuple[int, ...], str], ...]
"""Of each input: its shape without the rows, and its element type."""


def inputs_of(study: Study) -> Given:
    """What a graph of this study is given, in order: the features [2F + D], values first, then flags of what is missing, also of
    each of the D arrays; of a sequence the concepts [at_most] and the readings [at_most, 3]; then the arrays in the study's order,
    an image as [1, *shape], the bytes of a note as [at_most]."""
    dense, sequence = dense_of(study), sequence_of(study)
    steps: Given = (((sequence.at_most,), "I64"), ((sequence.at_most, STEP_INPUTS), "F32")) if sequence else ()
    arrays = (((1, *each.dims), "F32") if each.kind == "image" else (each.dims, "I64") for each in dense)
    return (((2 * len(feature_names(study)) + len(dense),), "F32"), *steps, *arrays)


def check_fits(study: Study, graph: Graph) -> None:
    """Return if the graph is the study's.

    Raises:
        TrainingFailed: `graph-mismatch`: it takes other inputs, or has other tensors, than the study states.
    """
    model = study.model
    if not isinstance(model, Exported):
        raise TrainingFailed("the study has no graph", "graph-mismatch")
    given = tuple((form.shape, form.element) for form in graph.inputs)
    if given != (wanted := inputs_of(study)):
        raise TrainingFailed(
            f"the model's graph takes {_listed(given)}; this study gives {_listed(wanted)}", "graph-mismatch"
        )
    if (graph.shapes("parameter"), graph.shapes("running")) != (dict(model.parameters), dict(model.running)):
        raise TrainingFailed("the model's graph has other tensors than the study states", "graph-mismatch")


def _listed(inputs: Given) -> str:
    return ", ".join(f"{element} [rows{''.join(f', {side}' for side in shape)}]" for shape, element in inputs)
