"""export.xml is read by one pattern and by expat: both must say the same, and what is hostile must be refused."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.cli.demo.made_up_wearers import PROLOG, export_xml, record
from rapha.sources.apple_health import stream
from rapha.sources.apple_health.places import Damaged
from rapha.sources.apple_health.stream import gathered, read_export

AT = "2024-01-01 08:00:00 +0100"
_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\t\x7f", exclude_categories=("Cc", "Cs")), max_size=12
)


def read(xml: str) -> tuple[list[dict[str, str]], list[str]]:
    """Rows of records, sorted; names of other elements."""
    others: list[str] = []
    rows = [
        row
        for batch in read_export(io.BytesIO(xml.encode()), lambda e: others.append(e.name))
        for row in batch.to_pylist()
    ]
    return sorted(rows, key=repr), others


def seen_by_expat_alone(xml: str) -> tuple[list[dict[str, str]], list[str]]:
    """A comment before the first record: from there on the pattern is not used."""
    return read(xml.replace("<ExportDate", "<!-- by hand --><ExportDate"))


@given(
    st.lists(
        st.tuples(_TEXT, _TEXT, _TEXT, st.sampled_from([None, "Watch", "iPhone", "Scale"]), st.booleans()), max_size=6
    )
)
def test_the_pattern_and_expat_read_the_same(rows):
    parts = [
        record("HeartRate", AT, AT, value, unit, model, source, {"HKTimeZone": "Europe/Rome"} if more else None)
        for source, unit, value, model, more in rows
    ]
    xml = export_xml(parts)
    quick, slow = read(xml), seen_by_expat_alone(xml)
    assert _bare(quick) == _bare(slow)
    assert len(quick[0]) == len(rows)


def _bare(found: tuple[list[dict[str, str]], list[str]]) -> tuple[list[dict[str, str]], list[str]]:
    """The white space between metadata means nothing."""
    rows, others = found
    bare = [
        row | {"extra": "".join(row["extra"].replace("<MetadataEntry ", "").replace("/>", "").split())} for row in rows
    ]
    return bare, others


@pytest.mark.parametrize("bytes_at_a_time", [7, 64, 301])
def test_where_the_file_is_cut_changes_nothing(monkeypatch, bytes_at_a_time):
    parts = [
        record("HeartRate", AT, AT, rate, "count/min", metadata={"a": "b"} if rate % 2 else None)
        for rate in range(60, 72)
    ]
    xml = export_xml(
        [
            *parts,
            ' <Workout workoutActivityType="x"><MetadataEntry key="a" value="<"/></Workout>\n'.replace('<"', '&lt;"'),
        ]
    )
    whole = read(xml)
    monkeypatch.setattr(stream, "CHUNK_BYTES", bytes_at_a_time)
    monkeypatch.setattr(stream, "LIMIT_PROLOG_BYTES", len(PROLOG.encode()) + 40)
    assert _bare(read(xml)) == _bare(whole)
    assert len(whole[0]) == 12 and whole[1].count("Workout") == 1


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--" + record("HeartRate", AT, AT, 1, "count/min") + "-->",
        "<Note><![CDATA[" + record("HeartRate", AT, AT, 1, "count/min") + "]]></Note>",
        "<?note " + record("HeartRate", AT, AT, 1, "count/min") + "?>",
    ],
)
def test_a_record_in_a_comment_is_none(hidden):
    rows, _ = read(
        export_xml([record("HeartRate", AT, AT, 70, "count/min"), hidden, record("HeartRate", AT, AT, 71, "count/min")])
    )
    assert [row["value"] for row in rows] == ["70", "71"]


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_comment_that_is_cut_where_it_begins_hides_what_is_in_it(monkeypatch, cut):
    """The first chunk ends so many bytes into `<!--` and what follows, and has no record."""
    hidden, long = record("HeartRate", AT, AT, 1, "count/min").strip(), "x" * 3000
    xml = f'{PROLOG}<HealthData locale="{long}"><!--{hidden}{hidden}--></HealthData>\n'
    begins = xml.index("<HealthData ") + 15
    monkeypatch.setattr(stream, "LIMIT_PROLOG_BYTES", begins)
    monkeypatch.setattr(stream, "CHUNK_BYTES", xml.rindex("<!--") - begins + cut)
    assert read(xml) == ([], [])


@pytest.mark.parametrize("blank", ["\n", "\t", "\r\n", "\r"])
@pytest.mark.parametrize("metadata", [None, {"a": "b@c"}])
def test_the_end_of_a_line_in_a_value_is_a_blank_as_expat_has_it(blank, metadata):
    """A record alone, and one beside what is none."""
    for beside in ([], ["<Note/>"]):
        rate = record("HeartRate", AT, AT, "7@0" if metadata is None else "70", "count/min", metadata=metadata)
        xml = export_xml([rate.replace("@", blank), *beside])
        assert _bare(read(xml)) == _bare(seen_by_expat_alone(xml))


def test_a_byte_that_no_xml_has_is_refused_in_a_value_that_is_not_kept():
    whole = record("HeartRate", AT, AT, 70, "count/min")
    for code in (0, 1, 8, 11, 12, 14, 31):
        with pytest.raises(Damaged):
            read(export_xml([whole.replace("HeartRate", f"Heart{chr(code)}Rate")]))


def test_a_broken_document_type_is_passed_over():
    assert len(read(export_xml([record("HeartRate", AT, AT, 70, "count/min")]))[0]) == 1


LAUGHS = '<!DOCTYPE HealthData [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;">]>\n'
OUTSIDE = '<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'


@pytest.mark.parametrize(
    "xml",
    [
        export_xml([record("HeartRate", AT, AT, "@", "count/min").replace("@", "&b;")], prolog=LAUGHS),
        export_xml(["<Note>&b;</Note>"], prolog=LAUGHS),
        export_xml(["<Note>&a;</Note>"], prolog=OUTSIDE),
        export_xml([LAUGHS, "<Note>&b;</Note>"]),
        export_xml(["<a>" * 40 + "</a>" * 40]),
        export_xml(["<Note " + " ".join(f'a{n}="1"' for n in range(80)) + "/>"]),
        export_xml([record("HeartRate", AT, AT, 70, "count/min").replace("10.2", '1<2')]),
        export_xml([record("HeartRate", AT, AT, "@", "count/min").replace("@", "&#0;")]),
        export_xml([record("HeartRate", AT, AT, 70, "count/min")]).removesuffix("</HealthData>\n"),
        export_xml([record("HeartRate", AT, AT, 70, "count/min"), "</Record>"]),
        export_xml([]) + "<HealthData/>",
        "<html>HealthData</html>",
        "",
    ],
    ids=["laughs", "laughs-in-text", "outside", "second-doctype", "deep", "attributes", "less-than", "nul", "cut-short",
         "closes-nothing", "two-roots", "another", "empty"],
)  # fmt: skip
def test_what_is_hostile_or_broken_is_refused(xml):
    with pytest.raises(Damaged):
        read(xml)


def test_what_does_not_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(stream, "LIMIT_PIECE_BYTES", 1 << 16)
    monkeypatch.setattr(stream, "CHUNK_BYTES", 1 << 12)
    xml = export_xml(['<Note a="' + "x" * (1 << 20) + '"/>'])
    with pytest.raises(Damaged, match="does not end"):
        read(xml)
    with pytest.raises(Damaged, match="does not end"):
        read(export_xml([' <Record type="' + "x" * (1 << 20) + '"/>']))


def test_bytes_that_are_no_utf_8_are_refused():
    whole = export_xml([record("HeartRate", AT, AT, "@@", "count/min")]).encode().replace(b"@@", b"\xff\xfe")
    with pytest.raises(Damaged, match="UTF-8"):
        list(read_export(io.BytesIO(whole), lambda _: None))
    with pytest.raises(Damaged):
        list(read_export(io.BytesIO(export_xml([]).encode("utf-16")), lambda _: None))


def test_memory_does_not_grow_with_the_file():
    """What is held is what is in hand: the largest batch of a long file is no larger than that of a short one."""
    parts = record("HeartRate", AT, AT, 70, "count/min") * 120_000
    sizes = [
        batch.num_rows for batch in gathered(read_export(io.BytesIO(export_xml([parts]).encode()), lambda _: None))
    ]
    assert sum(sizes) == 120_000 and max(sizes) < 2 * stream.BATCH_ROWS and len(sizes) >= 3
    assert all(size >= stream.BATCH_ROWS for size, _ in pairwise(sizes))
