"""Write exports of people who do not exist: python examples/sleep-and-heart-rate/make_exports.py FOLDER [HOW-MANY]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "simulators"))

from made_up_watch import deal_wearers

if __name__ == "__main__":
    folder, wearers = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 64
    ill = deal_wearers(folder, wearers)
    print(f"{wearers} exports in {folder}, of whom {len(ill)} are told of an irregular rhythm")
