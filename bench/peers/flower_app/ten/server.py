"""Federated averaging by Flower's own strategy. Writes down when each round has ended: a line each, in seconds."""

import os
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Timed(FedAvg):
    def aggregate_train(self, server_round, replies):  # type: ignore[no-untyped-def]
        found = super().aggregate_train(server_round, replies)
        with Path(os.environ["RAPHA_BENCH_ENDED"]).open("a", encoding="utf-8") as file:
            file.write(f"{time.time()}\n")
        return found


@app.main()
def main(grid: Grid, context: Context) -> None:
    hospitals = int(context.run_config["hospitals"])
    strategy = Timed(
        fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=hospitals, min_available_nodes=hospitals
    )
    begin = ArrayRecord({"w": Array(np.zeros(10))})
    strategy.start(grid=grid, initial_arrays=begin, num_rounds=int(context.run_config["rounds"]))
