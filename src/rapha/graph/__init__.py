"""What a researcher's own model computes, as data: a `torch.export` graph, read by a reader that believes nothing.

archive.py     the file: members side by side, none packed, none that could be code
reading.py     its JSON, with limits, as a Graph
forms.py       Graph, Node and what a node is given
fit.py         whether it is the one that a study states
operators.py   the operators that a graph may use

Free of torch: what the operators do stands in `rapha.training.architectures.exported`. The node agent never imports this room:
a graph is read by the researcher, who made it, and inside the sandbox.
"""
