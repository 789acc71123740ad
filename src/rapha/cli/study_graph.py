"""`rapha study graph`: an ONNX file as the graph that a study names."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def graph(
    file: Annotated[Path, typer.Argument(help="The model, an ONNX file.", show_default=False)],
    to: Annotated[
        Path | None, typer.Option("--to", help="Where to write the graph.", show_default="beside it, as .pt2")
    ] = None,
) -> None:
    """Write an ONNX file as the graph that a study names: model: {architecture: exported, graph: model.pt2}.

    Translated on this machine and held against ONNX's own reference; no hospital reads ONNX. Its first axis is dynamic, the rows; it gives one
    number a row, the logit or the log hazard.

    Example: rapha study graph model.onnx --to model.pt2
    """
    from rapha.graph.reading import read_graph
    from rapha.sdk.from_onnx.export import export_onnx

    written = export_onnx(file, to or file.with_suffix(".pt2"))
    found = read_graph(written.read_bytes())
    learnt = found.shapes("parameter")
    console = Console()
    console.print(f"{written}: operators: {len(found.nodes)}, inputs: {len(found.inputs)}, tensors to learn: {len(learnt)}", highlight=False, soft_wrap=True)  # fmt: skip
    for name, shape in learnt.items():
        console.print(f"  {name} {list(shape)}", highlight=False, markup=False, soft_wrap=True)
