"""`format: views`: FHIR resources, flattened by ViewDefinitions (SQL on FHIR v2), read as tables are.

A view makes rows of resources, the mapping says what their columns mean: it is the language of `format: tables`, word by word, with
the name of a view where that has a file.
"""

from pathlib import Path

from rapha.canonical import canonical_bytes, digest
from rapha.errors import ConfigurationError
from rapha.sources.tables.ingest import Opened, Way, put
from rapha.sources.tables.mapping import ViewsMapping
from rapha.sources.views import View, read_view, run_view
from rapha.sources.views.resources import Resources
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.report import IngestReport, Progress, silent
from rapha.timeline.source_files import SourceFiles


def ingest(
    mapping_path: Path, data_dir: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data_dir` is a folder of NDJSON files and Bundles. A changed view or file has all
    of them read again.

    Raises:
        ConfigurationError: the mapping or a view is wrong, or a view has not a column that the mapping names.
        SourceError: the data cannot be read, or is not as a view says: several values where it expects one.
    """
    mapping = read_mapping(mapping_path, ViewsMapping)
    paths = {name: mapping_path.parent / file for name, file in mapping.views.items()}
    files = SourceFiles()
    views = {name: _view(name, files.expect(path), mapping_path) for name, path in paths.items()}
    listed = Resources(data_dir).files()
    resources = {path.name: files.digest(path) for path in listed}
    versions = {
        name: digest(canonical_bytes({"view": files.digest(path), "resources": resources}))
        for name, path in paths.items()
    }
    way = Way(mapping_path, data_dir, timeline_dir, site_secret, progress or silent)
    return put(mapping, files, versions, lambda folder: _flattened(views, listed, way, folder), way)


def _view(name: str, path: Path, mapping_path: Path) -> View:
    if not path.is_file():
        raise ConfigurationError(f"{mapping_path.name}: the view `{name}` should be in {path}, and is not")
    return read_view(path)


def _flattened(views: dict[str, View], listed: list[Path], way: Way, folder: Path) -> Opened:
    """Every view as a Parquet file in the folder. The views read the same resources, so what is none is told once."""
    paths: dict[str, Path] = {}
    aside: dict[tuple[str, int, str], None] = {}
    for done, (name, view) in enumerate(views.items()):
        way.progress(f"view {name}", done, len(views))
        paths[name] = folder / f"{name}.parquet"
        aside |= dict.fromkeys(run_view(view, way.data, paths[name], listed).set_aside)
    way.progress("views", len(views), len(views))
    return Opened(paths, tuple(aside))
