"""An archive by DICOMweb (PS3.18): QIDO-RS to ask, WADO-RS to fetch. Bounded answers, no redirects; no word of an answer is repeated."""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx2

from rapha.errors import ConfigurationError, NotPermitted, SourceError, Unreachable
from rapha.sources.pacs.archive import MOST_ANSWERS, Keep, Series, uid
from rapha.sources.pacs.multipart import parts
from rapha.sources.pacs.server_file import TokenFile, UserFile, WebFile

LONGEST_ANSWER, PAGE = 64 << 20, 1000
_STUDY, _SERIES, _IMAGE = "0020000D", "0020000E", "00080018"
_AS_IT_IS = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class Web:
    """As `Archive`. Images come as they are stored, compressed ones compressed."""

    def __init__(self, asked: WebFile) -> None:
        self._asked = asked
        timeout = httpx2.Timeout(30.0, read=300.0)  # of silence, not of the whole
        self._client = httpx2.Client(verify=_authorities(asked.ca), timeout=timeout, follow_redirects=False)

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def series(self, day: date, modality: str) -> Iterator[Series]:
        """As `Archive`."""
        for study in self._all("studies", {"StudyDate": f"{day:%Y%m%d}", "ModalitiesInStudy": modality}, _STUDY):
            for found in self._all(f"studies/{study}/series", {"Modality": modality}, _SERIES):
                yield Series(study, found)

    def images(self, of: Series) -> frozenset[str]:
        """As `Archive`."""
        return frozenset(self._all(f"studies/{of.study}/series/{of.series}/instances", {}, _IMAGE))

    def bring(self, of: Series, keep: Keep) -> None:
        """As `Archive`; one request for each image, so that each is named by us and none by the answer."""
        for image in sorted(self.images(of)):
            path = f"studies/{of.study}/series/{of.series}/instances/{image}"
            with self._answer(path, {}, _AS_IT_IS) as answer:
                kind = answer.headers.get("content-type", "")
                (content,) = [*parts(kind, answer.iter_raw(1 << 18), self._asked.largest_mb << 20)] or (b"",)
                keep(image, content)

    def _all(self, path: str, wanted: dict[str, str], tag: str) -> Iterator[str]:
        """One identifier for each answer, page by page, until a page is empty. A server without pages gives the same again: that ends it."""
        seen: set[str] = set()
        while True:
            page, more = self._page(path, {**wanted, "limit": str(PAGE), "offset": str(len(seen))})
            new = {uid(_first(each, tag)) for each in page} - seen
            if not new and page and (more or len(page) >= PAGE):
                raise SourceError("the archive gives a part of its answers, and the same part again")
            if not new:
                return
            yield from sorted(new)
            seen |= new
            if len(seen) > MOST_ANSWERS:
                raise SourceError(f"the archive has more than {MOST_ANSWERS:,} answers to one question")

    def _page(self, path: str, wanted: dict[str, str]) -> tuple[list[Any], bool]:
        """Some answers, and whether the archive says that there are more (PS3.18, 8.3.4.4)."""
        with self._answer(path, wanted, "application/dicom+json") as answer:
            if answer.status_code == 204:
                return [], False
            more = answer.headers.get("warning", "").startswith("299")
            body = b""
            for block in answer.iter_raw(1 << 16):
                body += block
                if len(body) > LONGEST_ANSWER:
                    raise SourceError(f"the archive's answer is longer than {LONGEST_ANSWER >> 20} MiB")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise SourceError("the archive's answer is no JSON") from None
        if not isinstance(found, list):
            raise SourceError("the archive's answer is no list")
        return found, more

    @contextmanager
    def _answer(self, path: str, wanted: dict[str, str], accept: str) -> Iterator[httpx2.Response]:
        headers = {"accept": accept, "accept-encoding": "identity", **_shown(self._asked)}
        try:
            with self._client.stream("GET", f"{self._asked.server}/{path}", params=wanted, headers=headers) as answer:
                if answer.status_code in (401, 403):
                    raise NotPermitted(f"the archive does not allow it (status {answer.status_code}): check `auth:`")
                if answer.status_code not in (200, 204, 206):
                    raise SourceError(
                        f"the archive does not answer a question for images (status {answer.status_code})"
                    )
                yield answer
        except httpx2.TransportError as error:
            raise Unreachable(
                f"{self._asked.server} cannot be reached ({type(error).__name__}); run this again"
            ) from None


def _first(found: Any, tag: str) -> Any:
    """The first value of an element in the DICOM JSON model (PS3.18, F.2)."""
    try:
        return found[tag]["Value"][0]
    except (TypeError, KeyError, IndexError):
        return None


def _shown(asked: WebFile) -> dict[str, str]:
    match asked.auth:
        case TokenFile():
            return {"authorization": f"Bearer {_word(asked.auth.token_file)}"}
        case UserFile():
            pair = f"{asked.auth.user}:{_word(asked.auth.password_file)}"
            return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        case _:
            return {}


def _word(file: str) -> str:
    try:
        word = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{file}: cannot be read") from None
    if not word or not word.isascii() or not word.isprintable():
        raise ConfigurationError(f"{file}: expected one word in it")
    return word


def _authorities(ca: str | None) -> ssl.SSLContext | bool:
    try:
        return ssl.create_default_context(cafile=ca) if ca else True
    except OSError:  # an SSLError is one
        raise ConfigurationError(f"{ca}: not a certificate authority in PEM") from None
