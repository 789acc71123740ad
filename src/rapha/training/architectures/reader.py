"""What all readers share: the arrays of some rows in, `width` numbers a row out."""

from torch import Tensor, nn

from rapha.training.arrays import Arrays


class Reader(nn.Module):
    """Reads the arrays of one dense feature. Its tensors are those of its record in `rapha.records.readers`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, arrays: Arrays, rows: Tensor) -> Tensor:
        """Numbers [b, width] of these rows [b]; whatever is given of a row without an array is not used."""
        raise NotImplementedError
