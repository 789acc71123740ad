"""A node's home, a hub's log, and the seconds that have passed: what a hospital keeps of it."""

from pathlib import Path

import pytest
from small_public_log import HUB_PEM, SmallPublicLog

from rapha.clock import utc_now
from rapha.errors import Unproven
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.public_log import PublicLog
from rapha.node.public_log_files import RefusedLog, checkpoint_of
from rapha.node.register import Register


class At:
    """A home, a hub's log, and the seconds that have passed."""

    def __init__(self, folder: Path) -> None:
        settings = NodeConfiguration(site="north", name="N", hub_url="http://localhost:1", hub="hub", hub_key=HUB_PEM)
        write_configuration(folder / "node.yaml", settings)
        self.home, self.hub, self.seconds = Home(folder), SmallPublicLog(), 0.0
        self.begin_again()

    def begin_again(self) -> None:
        self.register = Register(self.home.database, utc_now)
        self.log = PublicLog(self.home, self.hub, self.register, utc_now, lambda: self.seconds)

    def forked_to(self, entries: int) -> None:
        """The hub shows a shorter tree of another history, and the tiles of the one that was seen."""
        files = self.hub.files
        self.another(entries)
        self.hub.files.update(files)

    def another(self, entries: int, of: str = "another") -> None:
        """From now on the hub shows another history."""
        self.log._line = self.hub = SmallPublicLog()
        self.hub.fill(entries, of)

    @property
    def seen(self) -> int:
        kept = self.log.kept()
        assert kept is not None
        return checkpoint_of(kept).size

    @property
    def refused(self) -> RefusedLog:
        found = self.log.refused()
        assert found is not None
        return found

    @property
    def events(self) -> list[str]:
        return [event for _, event, _, _ in self.register.events()]

    def check_refused_for_good(self) -> None:
        """Whatever the hub shows then, and at the next start too."""
        self.begin_again()
        with pytest.raises(Unproven, match="gives the hub at http://localhost:1 nothing more"):
            self.log.check_not_refused()
        with pytest.raises(Unproven, match="--i-accept-that-the-log-may-have-been-rewritten"):
            self.log.look()
