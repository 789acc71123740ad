"""An archive by the older protocol (PS3.4, annexes B and C; PS3.7): C-FIND to ask, C-GET or C-MOVE to fetch."""

import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from rapha.errors import ConfigurationError, SourceError, Unreachable
from rapha.sources.pacs.archive import MOST_ANSWERS, Keep, Series, uid
from rapha.sources.pacs.server_file import DimseFile

STORED = (
    "CTImageStorage", "EnhancedCTImageStorage", "MRImageStorage", "EnhancedMRImageStorage", "PositronEmissionTomographyImageStorage",
    "EnhancedPETImageStorage", "ComputedRadiographyImageStorage", "DigitalXRayImageStorageForPresentation",
    "DigitalMammographyXRayImageStorageForPresentation", "BreastTomosynthesisImageStorage", "UltrasoundImageStorage",
    "UltrasoundMultiFrameImageStorage", "SegmentationStorage",
)  # fmt: skip
"""What images are taken; an archive that has others says that it could not give them."""
SILENCE_SECONDS = 60.0
_PENDING, _SUCCESS, _SOME_FAILED, _REFUSED = (0xFF00, 0xFF01), 0x0000, 0xB000, 0xA700
_ROOT = "1.2.840.10008.5.1.4.1.2.2."
_FIND, _MOVE, _GET = _ROOT + "1", _ROOT + "2", _ROOT + "3"


class Dimse:
    """As `Archive`. Images come uncompressed, as far as the archive can unpack them: what it cannot, it says it did not give."""

    def __init__(self, asked: DimseFile) -> None:
        self._asked = asked
        try:
            from pynetdicom import AE
        except ImportError:
            raise ConfigurationError("a PACS needs an extra: pip install 'rapha[imaging]'") from None
        for library in ("pynetdicom", "pydicom"):
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)  # they quote what an archive says of patients
        self._own: Any = AE(ae_title=asked.our_title)
        self._own.acse_timeout = self._own.dimse_timeout = self._own.network_timeout = SILENCE_SECONDS
        self._own.connection_timeout = 30.0

    def __enter__(self) -> "Dimse":
        return self

    def __exit__(self, *_: object) -> None:
        self._own.shutdown()

    def series(self, day: date, modality: str) -> Iterator[Series]:
        """As `Archive`."""
        with self._line([_FIND]) as line:
            studies = self._find(
                line, "STUDY", "StudyInstanceUID", StudyDate=f"{day:%Y%m%d}", ModalitiesInStudy=modality
            )
            for study in sorted(studies):
                for found in sorted(
                    self._find(line, "SERIES", "SeriesInstanceUID", StudyInstanceUID=study, Modality=modality)
                ):
                    yield Series(study, found)

    def images(self, of: Series) -> frozenset[str]:
        """As `Archive`."""
        with self._line([_FIND]) as line:
            return frozenset(
                self._find(line, "IMAGE", "SOPInstanceUID", StudyInstanceUID=of.study, SeriesInstanceUID=of.series)
            )

    def bring(self, of: Series, keep: Keep) -> None:
        """As `Archive`."""
        arrived = _Arrived(keep, self._asked.largest_mb << 20)
        question = _question("SERIES", StudyInstanceUID=of.study, SeriesInstanceUID=of.series)
        if self._asked.move is None:
            with self._line([_GET], stores=arrived) as line:
                _done(line.send_c_get(question, _GET))
        else:
            with self._listening(arrived), self._line([_MOVE]) as line:
                _done(line.send_c_move(question, self._asked.our_title, _MOVE))
        arrived.check()

    def _find(self, line: Any, level: str, wanted: str, **matching: str) -> set[str]:
        """The identifiers of what matches at a level."""
        found: set[str] = set()
        for status, answer in line.send_c_find(_question(level, **{wanted: "", **matching}), _FIND):
            code = _code(status)
            if code in _PENDING and answer is not None:
                found.add(uid(answer.get(wanted)))
            elif code != _SUCCESS:
                raise SourceError(f"the archive does not answer a question for images (status {code:04X})")
            if len(found) > MOST_ANSWERS:
                raise SourceError(f"the archive has more than {MOST_ANSWERS:,} answers to one question")
        return found

    @contextmanager
    def _line(self, models: list[str], stores: "_Arrived | None" = None) -> Iterator[Any]:
        from pynetdicom import build_role, evt
        from pynetdicom.presentation import build_context

        contexts, roles = [build_context(model) for model in models], []
        if stores is not None:
            contexts += [build_context(kind, _PLAIN_SYNTAXES) for kind in _stored()]
            roles = [build_role(kind, scp_role=True) for kind in _stored()]
        more: dict[str, Any] = {"evt_handlers": [(evt.EVT_C_STORE, stores.store)]} if stores is not None else {}
        if self._asked.tls is not None:
            more["tls_args"] = (self._tls(), None)
        asked = self._asked
        line = self._own.associate(asked.host, asked.port, contexts, ae_title=asked.their_title, ext_neg=roles, **more)
        if not line.is_established:
            raise Unreachable(f"{asked.host}:{asked.port} takes no association: do both ends know the other's title?")
        if not all(any(each.abstract_syntax == model for each in line.accepted_contexts) for model in models):
            line.abort()
            raise SourceError(
                "the archive does not offer this way of fetching: try C-GET, C-MOVE (`move:`) or DICOMweb"
            )
        try:
            yield line
        finally:
            if line.is_established:
                line.release()

    @contextmanager
    def _listening(self, arrived: "_Arrived") -> Iterator[None]:
        """Take what the archive sends, for as long as it is asked to and from whoever calls itself by its title."""
        from pynetdicom import AE, evt

        assert self._asked.move is not None
        here = AE(ae_title=self._asked.our_title)
        here.require_called_aet, here.require_calling_aet = True, [self._asked.their_title]
        here.maximum_associations = 4
        for kind in _stored():
            here.add_supported_context(kind, _PLAIN_SYNTAXES)
        place = (self._asked.move.listen, self._asked.move.port)
        try:
            server: Any = here.start_server(place, block=False, evt_handlers=[(evt.EVT_C_STORE, arrived.store)])
        except OSError as error:
            raise ConfigurationError(f"{place[0]}:{place[1]} cannot be listened on ({error.strerror})") from None
        try:
            yield
        finally:
            server.shutdown()

    def _tls(self) -> ssl.SSLContext:
        assert self._asked.tls is not None
        tls = self._asked.tls
        try:
            context = ssl.create_default_context(cafile=tls.ca)
            context.load_cert_chain(tls.certificate, tls.key)
        except OSError:  # an SSLError is one
            raise ConfigurationError("`tls:`: a certificate or key cannot be read as PEM") from None
        context.check_hostname = (
            False  # titles, not names, are what archives go by; the authority is the hospital's own
        )
        return context


class _Arrived:
    """What an archive sends, on pynetdicom's threads. The first thing wrong is kept, refused there and raised by `check`."""

    def __init__(self, keep: Keep, largest: int) -> None:
        self._keep, self._largest = keep, largest
        self._lock = threading.Lock()
        self._wrong: Exception | None = None

    def store(self, event: Any) -> int:
        """One C-STORE; the status to answer with."""
        try:
            content = event.encoded_dataset()
            image = uid(event.request.AffectedSOPInstanceUID)
            if len(content) > self._largest:
                raise SourceError(f"an image is larger than {self._largest >> 20} MB (`largest_mb`)")
            with self._lock:
                self._keep(image, content)
        except Exception as error:  # on a thread that is not ours: it is told to the one that waits
            self._wrong = self._wrong or error
            return _REFUSED
        return _SUCCESS

    def check(self) -> None:
        """Raise what was wrong."""
        if self._wrong is not None:
            raise self._wrong


_PLAIN_SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def _stored() -> list[str]:
    import pydicom.uid

    return [str(getattr(pydicom.uid, name)) for name in STORED]


def _question(level: str, **matching: str) -> Any:
    import pydicom

    found = pydicom.Dataset()
    found.QueryRetrieveLevel = level
    for name, value in matching.items():
        setattr(found, name, value)
    return found


def _code(status: Any) -> int:
    """Raises Unreachable: the line was cut, or nothing came for a minute."""
    if "Status" not in status:
        raise Unreachable("the archive cut the line, or fell silent; run this again")
    return int(status.Status)


def _done(answers: Iterator[tuple[Any, Any]]) -> None:
    """Wait until the archive says that it has given all. What it did not give is counted by whoever asked."""
    for status, _ in answers:
        code = _code(status)
        if code not in (*_PENDING, _SUCCESS, _SOME_FAILED):
            raise SourceError(f"the archive does not give a series (status {code:04X})")
