"""The operators that a graph may use: what a classifier needs, none that writes into what it is given.

`aten.batch_norm.default` is the one exception: while it trains it moves the running figures it is given. None reads a file, a
clock or chance of its own: dropout takes the trainer's. Names as `torch.export` writes them, without `torch.ops.`.
"""

BATCH_NORM = "aten.batch_norm.default"
DROPOUT = "aten.dropout.default"
ATTENTION = "aten.scaled_dot_product_attention.default"
SIZE = "aten.sym_size.int"

OF_COUNTS = frozenset({"_operator.add", "_operator.sub", "_operator.mul", "_operator.floordiv"})
"""Of whole numbers, such as the number of rows."""

SPREADING = frozenset({
    "aten.zeros.default", "aten.ones.default", "aten.full.default", "aten.arange.default", "aten.arange.start",
    "aten.expand.default", "aten.repeat.default", "aten.new_zeros.default", "aten.new_ones.default",
})  # fmt: skip
"""Those that give more elements than they are given: so many and no more, see `MAX_SPREAD`."""

MAX_SPREAD = 1 << 24
"""Elements a row that one of them may give."""

_LAYERS = (
    "linear.default", "mm.default", "bmm.default", "matmul.default", "addmm.default",
    "conv1d.default", "conv2d.default", "conv3d.default", "conv1d.padding", "conv2d.padding", "conv3d.padding",
    "layer_norm.default", "group_norm.default", "embedding.default", "lstm.input", "gru.input",
    "max_pool1d.default", "max_pool2d.default", "max_pool3d.default",
    "avg_pool1d.default", "avg_pool2d.default", "avg_pool3d.default",
    "adaptive_avg_pool1d.default", "adaptive_avg_pool2d.default", "adaptive_avg_pool3d.default",
    "pad.default", "constant_pad_nd.default",
)  # fmt: skip
_CURVES = (
    "relu.default", "relu6.default", "gelu.default", "silu.default", "elu.default", "selu.default", "leaky_relu.default",
    "mish.default", "hardtanh.default", "hardswish.default", "hardsigmoid.default", "softplus.default", "sigmoid.default",
    "log_sigmoid.default", "tanh.default", "prelu.default", "softmax.int", "log_softmax.int",
    "exp.default", "log.default", "log1p.default", "sqrt.default", "rsqrt.default", "abs.default", "neg.default",
    "square.default", "sin.default", "cos.default", "reciprocal.default", "erf.default",
)  # fmt: skip
_ARITHMETIC = (
    "add.Tensor", "add.Scalar", "sub.Tensor", "sub.Scalar", "rsub.Scalar", "mul.Tensor", "mul.Scalar", "div.Tensor",
    "div.Scalar", "pow.Tensor_Scalar", "maximum.default", "minimum.default", "clamp.default", "where.self",
    "masked_fill.Scalar", "logical_not.default", "logical_and.default", "logical_or.default", "bitwise_not.default",
    "bitwise_and.Tensor", "bitwise_or.Tensor", "__and__.Tensor", "__or__.Tensor",
    "eq.Scalar", "ne.Scalar", "lt.Scalar", "le.Scalar", "gt.Scalar", "ge.Scalar",
    "eq.Tensor", "ne.Tensor", "lt.Tensor", "le.Tensor", "gt.Tensor", "ge.Tensor",
    "mean.default", "mean.dim", "sum.default", "sum.dim_IntList", "amax.default", "amin.default", "max.dim", "min.dim",
    "cumsum.default", "var.correction",
)  # fmt: skip
_PLACES = (
    "cat.default", "stack.default", "view.default", "reshape.default", "permute.default", "transpose.int", "t.default",
    "flatten.using_ints", "unflatten.int", "squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default",
    "slice.Tensor", "select.int", "narrow.default", "split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int",
    "gather.default", "index_select.default", "flip.default", "roll.default", "contiguous.default", "clone.default",
    "detach.default", "alias.default", "to.dtype", "zeros_like.default", "ones_like.default",
)  # fmt: skip

OPERATORS = frozenset(
    {SIZE, BATCH_NORM, DROPOUT, ATTENTION}
    | OF_COUNTS
    | SPREADING
    | {f"aten.{name}" for name in (*_LAYERS, *_CURVES, *_ARITHMETIC, *_PLACES)}
)
"""The list."""

WORDS = frozenset({"same", "valid", "none", "tanh", "constant", "reflect", "replicate", "floor", "trunc"})
"""What an operator may be given as a text."""

UNREAD = frozenset({"device", "layout", "pin_memory", "memory_format", "cudnn_enabled", "cudnn_enable", "non_blocking"})
"""What says where and how a tensor lies: the trainer decides that, so that it is not even read."""

WITHOUT_CHANCE = {"aten.lstm.input": "dropout", "aten.gru.input": "dropout"}
"""Operators that would draw chance of their own, and what has to be 0 for them not to."""
