"""SQL-on-FHIR v2 ViewDefinitions over FHIR resources, compiled to DuckDB SQL.

view_file.py   the JSON of a view -> its record, within limits
tokens.py      a FHIRPath text -> its tokens
tree.py        what a FHIRPath can be made of
parser.py      tokens -> tree
macros.py      SQL words of our own that every compiled view uses
expression.py  the tree -> SQL over one resource
functions.py   the functions a path can call
statement.py   selects, forEach, repeat, unionAll -> the one statement of a view
resources.py   a folder of NDJSON and bundles -> texts of resources
run.py         a view over a folder -> Arrow or Parquet

What is supported, with an example that runs, is in docs/views.md.
"""

from rapha.sources.views.run import ViewReport, run_view
from rapha.sources.views.view_file import View, parse_view, read_view

__all__ = ["View", "ViewReport", "parse_view", "read_view", "run_view"]
