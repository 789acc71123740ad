"""Programs that a placement is tried with."""

ECHO = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
LISTENS = """
import os, select, sys
print(os.getpid(), flush=True)
look = select.poll()
look.register(0, 0)
look.poll(60_000)
open(sys.argv[1], "w").write("ended")
"""
