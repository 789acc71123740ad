"""Run ACES on a task and a MEDS shard: rows as JSON lines on stdout."""

import json
import sys
from pathlib import Path

from aces import config, predicates, query
from omegaconf import OmegaConf

task, shard = sys.argv[1:3]
cfg = config.TaskExtractorConfig.load(config_path=Path(task))
data = OmegaConf.create({"standard": "meds", "path": shard, "ts_format": None})
out = query.query(cfg, predicates.get_predicates_df(cfg, data))
for row in out.select("subject_id", "index_timestamp", "label").sort("subject_id", "index_timestamp").iter_rows():
    print(json.dumps([row[0], row[1].isoformat(), int(row[2])]))
