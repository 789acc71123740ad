"""Write the job: federated averaging by NVFLARE's own recipe. Arguments: hospitals, rounds, folder."""

import os
import sys
from pathlib import Path

from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe

hospitals, rounds, folder = sys.argv[1:]
os.chdir(Path(__file__).parent)
recipe = NumpyFedAvgRecipe(
    name="ten", min_clients=int(hospitals), num_rounds=int(rounds), train_script="train.py", model=[0.0] * 10
)
recipe.export(folder)
