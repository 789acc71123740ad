"""One step of a logistic model on 200 made-up rows: as little work as there is."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    weights = message.content["arrays"]["w"].numpy().copy()
    rows = np.random.default_rng(int(context.node_config["partition-id"])).standard_normal((200, weights.size))
    known = (rows[:, 0] > 0).astype(float)
    weights -= 0.1 * rows.T @ (1 / (1 + np.exp(-rows @ weights)) - known) / len(known)
    figures = MetricRecord({"num-examples": len(known)})
    content = RecordDict({"arrays": ArrayRecord({"w": Array(weights)}), "metrics": figures})
    return Message(content=content, reply_to=message)
