"""A command that is asked to end does so as it does on Ctrl-C: it tidies up."""

import signal


def interrupt_when_asked_to_end() -> None:
    """On SIGTERM, as a service manager or `timeout` sends it, and on SIGHUP, where a terminal went away and `nohup` was not asked for."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
