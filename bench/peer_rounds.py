"""Rounds of other programs beside ours, in the same run: each in an environment of its own, real processes on loopback.

`python bench/peer_rounds.py install` makes the environments, in `bench/.peers/`, from the files in `bench/peers/`. What is not
installed is left out, and said.
"""

import shutil
import subprocess
import sys

from figure import Peer
from peer_run import ENVIRONMENTS, MADE_FROM, LeftOut, free_port, listens, peer_run

NVFLARE_PORT = 8002
"""Its trial deployment has no other."""


def flower(hospitals: int, rounds: int = 5) -> Peer:
    """Flower's SuperLink and a SuperNode for each hospital, with its own defaults but for TLS, which is off: the median of the times
    between the ends of two rounds.

    Raises:
        LeftOut: it is not installed, or did not end.
    """
    with peer_run("flower", FLWR_HOME="{home}") as run:
        port = free_port()
        shown = f"127.0.0.1:{port}"
        app = shutil.copytree(MADE_FROM / "flower_app", run.home / "app")
        (run.home / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "{shown}"\ninsecure = true\n'
        )
        link = str(run.programs / "flower-superlink")
        run.start(link, "--insecure", "--port", str(port), "--disable-runtime-dependency-installation")
        run.until(lambda: listens(port))
        for number in range(hospitals):
            part = f"partition-id={number} num-partitions={hospitals}"
            node = (str(run.programs / "flower-supernode"), "--insecure", "--superlink", shown)
            run.start(*node, "--port", str(free_port()), "--node-config", part)
        settings = f"rounds={rounds} hospitals={hospitals}"
        run.start(str(run.programs / "flwr"), "run", str(app), "here", "--run-config", settings)
        return Peer("flower-1.42", run.rounds(rounds))


def nvflare(hospitals: int, rounds: int = 5) -> Peer:
    """NVFLARE's server and a client for each hospital, as its own `poc prepare` lays them out, mTLS on: the median of the times between
    a client's receiving of two rounds.

    Raises:
        LeftOut: it is not installed, its port is taken, or it did not end.
    """
    with peer_run("nvflare", HOME="{home}", NVFLARE_POC_WORKSPACE="{home}/poc") as run:
        if listens(NVFLARE_PORT):
            raise LeftOut(f"port {NVFLARE_PORT} is taken, and its trial deployment has no other")
        job = shutil.copytree(MADE_FROM / "nvflare_job", run.home / "job")
        program = str(run.programs / "nvflare")
        run.do(program, "poc", "prepare", "-n", str(hospitals), "--force")
        made = run.home / "poc" / "example_project" / "prod_00"
        run.do(str(run.programs / "python"), str(job / "job.py"), str(hospitals), str(rounds), str(run.home / "export"))
        run.start("bash", str(made / "server" / "startup" / "start.sh"))
        run.until(lambda: listens(NVFLARE_PORT))
        for number in range(1, hospitals + 1):
            run.start("bash", str(made / f"site-{number}" / "startup" / "start.sh"))
        joined = "Successfully registered client"
        run.until(lambda: sum(joined in log.read_text(errors="replace") for log in run.home.glob("*.log")) >= hospitals)
        kit = ("--startup-kit", str(made / "admin@nvidia.com"))
        run.do(program, "--format", "json", "job", "submit", "-j", str(run.home / "export" / "ten"), *kit)
        return Peer("nvflare-2.9", run.rounds(rounds))


def beside(hospitals: int) -> list[Peer]:
    """Their figures. Of what is left out there is a line that says why."""
    found = []
    for program in (flower, nvflare):
        try:
            found.append(program(hospitals))
        except LeftOut as reason:
            print(f"no other program beside it: {reason}", flush=True)
    return found


def install() -> None:
    """Make the environment of each file in `bench/peers/` anew."""
    for file in sorted(MADE_FROM.glob("*.txt")):
        place = ENVIRONMENTS / file.stem
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", "-r", str(file)], check=True)
        print(f"{file.stem}: installed in {place}")


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        for count in (3, 8):
            print(count, "hospitals:", *beside(count), flush=True)
