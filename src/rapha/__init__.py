"""Rapha: compute moves to the data, the data stays.

The public face of the package, loaded on first use so that `import rapha` stays cheap:

* `rapha.Study`: a study, described in Python or read from a file;
* `rapha.connect(hub, token)`: a client of a hub;
* `rapha.export_model(module, example, path)`: an `nn.Module` of one's own, as a graph that a study can name;
* `rapha.export_onnx(file, path)`: the same of an ONNX file;
* `rapha.pack_base(folder, path)`: a language model in the form of Hugging Face, as a file that a study can name;
* `rapha.load(folder)`: a trained model from a delivered folder, after its receipts are verified.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Study", "__version__", "connect", "export_model", "export_onnx", "load", "pack_base"]

if TYPE_CHECKING:
    from rapha.records.study import Study
    from rapha.sdk.client import connect
    from rapha.sdk.export import export_model
    from rapha.sdk.from_onnx.export import export_onnx
    from rapha.sdk.load import load
    from rapha.sdk.lora_files import pack_base

_HOMES = {
    "Study": "rapha.records.study",
    "connect": "rapha.sdk.client",
    "export_model": "rapha.sdk.export",
    "export_onnx": "rapha.sdk.from_onnx.export",
    "load": "rapha.sdk.load",
    "pack_base": "rapha.sdk.lora_files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rapha' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
