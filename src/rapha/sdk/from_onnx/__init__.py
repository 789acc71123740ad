"""An ONNX file as a graph that a study can name. On the researcher's machine: no hospital reads ONNX.

export.py      the flow: read, translate, hold against ONNX's own reference, export
reading.py     the file, with limits, as what is computed and with which tensors
module.py      the same as an `nn.Module`, its tensors under the file's own names
operators.py   what each ONNX operator is in torch
"""
