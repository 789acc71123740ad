"""What an ONNX file computes, as an `nn.Module` whose tensors have the file's names."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rapha.errors import StudyError
from rapha.sdk.from_onnx.operators import TABLE, Value, is_number
from rapha.sdk.from_onnx.reading import OnnxModel, OnnxNode, tensor_name


class OnnxModule(nn.Module):
    """Takes the file's inputs in order. What is learnt: its float32 initializers of one side or more, but a batch norm's running figures.

    Raises:
        StudyError: an operator is not among those that are translated, or is used in a way that is not; it is named.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        self._model = model
        norms = [node for node in model.nodes if node.operator == "BatchNormalization"]
        running = {name for node in norms for name in node.inputs[3:5]}
        self._check_moved(model, running)
        self._constants: dict[str, Value] = {}
        self._homes: dict[str, str] = {}
        for name, array in model.tensors.items():
            if is_number(array):
                self._constants[name] = array.tolist()
            else:
                self._homes[name] = tensor_name(name)
                self._own(tensor_name(name), array, learnt=array.dtype == np.float32 and name not in running)
        for node in model.nodes:
            if node.operator not in TABLE:
                raise StudyError(f"the ONNX file: the operator {node} is none of those that are translated: {', '.join(sorted(TABLE))}")  # fmt: skip

    def forward(self, *inputs: Tensor) -> Value:
        values: dict[str, Value] = {"": None, **self._constants}
        values |= {name: self._tensor(home) for name, home in self._homes.items()}
        values |= dict(zip((each.name for each in self._model.inputs), inputs, strict=True))
        for node in self._model.nodes:
            if lost := [name for name in node.inputs if name not in values]:
                raise StudyError(f"the ONNX file: {node} takes {lost[0]}, a second result, which is not translated")
            values |= dict(zip(node.outputs, self._run(node, [values[name] for name in node.inputs]), strict=False))
            values[""] = None  # also where an earlier result of several is left out
        return values[self._model.result]

    def _check_moved(self, model: OnnxModel, running: set[str]) -> None:
        """What a batch norm moves is nothing else: equal tensors of a fresh norm may have been written as one."""
        for node in model.nodes:
            others = node.inputs[:3] if node.operator == "BatchNormalization" else node.inputs
            if shared := running.intersection(others):
                raise StudyError(
                    f"the ONNX file: {min(shared)} is a running figure of a batch norm and an input of {node} too: "
                    "export it without joining equal tensors"
                )

    def _run(self, node: OnnxNode, given: list[Value]) -> tuple[Value, ...]:
        try:
            result = TABLE[node.operator](node.given, given, self.training)
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            raise StudyError(f"the ONNX file: {node} is used in a way that is not translated ({type(error).__name__})") from error  # fmt: skip
        except NotImplementedError as error:
            raise StudyError(f"the ONNX file: {node}: {error}") from None
        return result if isinstance(result, tuple) else (result,)

    def _own(self, name: str, array: "np.ndarray[Any, Any]", *, learnt: bool) -> None:
        *places, last = name.split(".")
        home: nn.Module = self
        tensor = torch.from_numpy(array.copy())
        try:
            for place in places:
                if place not in dict(home.named_children()):
                    home.add_module(place, nn.Module())
                home = home.get_submodule(place)
            if learnt:
                home.register_parameter(last, nn.Parameter(tensor))
            else:
                home.register_buffer(last, tensor)
        except KeyError:
            raise StudyError(f"the ONNX file: torch keeps a name in {name} for itself: rename that tensor") from None

    def _tensor(self, name: str) -> Tensor:
        *places, last = name.split(".")
        found = getattr(self.get_submodule(".".join(places)), last)
        assert isinstance(found, Tensor)
        return found
