"""Who the patients of an export are, by which names others refer to them, and who has said no."""

from pathlib import Path

import pyarrow as pa

from rapha.sources.fhir.mapping import ConsentRule, OptOut
from rapha.sources.fhir.staging import Staging
from rapha.timeline.opt_out import read_list
from rapha.timeline.pseudonym import subject_key

NEWEST = """row_number() OVER (PARTITION BY address ORDER BY updated DESC NULLS LAST,
    TRY_CAST(version AS BIGINT) DESC NULLS LAST, file DESC, line DESC) = 1"""
"""Of several versions of a resource the one that was updated last; where they do not say, the one that was read last."""

LAST_DELETED = """SELECT address, CASE WHEN bool_or(deleted_at IS NULL) THEN TIMESTAMP 'infinity' ELSE max(deleted_at) END AS gone_at
    FROM deletions GROUP BY address"""
"""When each address was deleted last; what does not say when is gone for good."""

GONE = "coalesce(gone_at >= updated, gone_at IS NOT NULL)"
"""Of a resource beside its `gone_at`, if it has one: whether it was deleted after it was updated."""

_LIVING = f"""SELECT * EXCLUDE (gone_at) FROM {{0}} LEFT JOIN ({LAST_DELETED}) USING (address)
    WHERE reason IS NULL AND NOT {GONE} QUALIFY {NEWEST}"""


def key_patients(staging: Staging, secret: bytes, source: str) -> None:
    """`people` (one row per living resource), `named` (address, subject_key): every name of a patient that means one and
    only one; a patient who was merged into another answers by the other's key. `merged`: what a retired patient's own key would
    have been, and the key that remains; other sources, and a list of opt-outs, may know the retired one."""
    staging.execute("INSERT INTO set_aside SELECT file, line, reason FROM patients WHERE reason IS NOT NULL")
    staging.execute(f"CREATE TABLE people AS {_LIVING.format('patients')}")
    rows = staging.execute("SELECT address, id, survivor FROM people ORDER BY address")
    survivors = {address: survivor for address, _, survivor in rows}
    ids = {address: identifier for address, identifier, _ in rows}
    lasting = {address: _lasting(address, survivors) for address in ids}
    keys = {address: subject_key(secret, source, ids[last]) for address, last in lasting.items()}
    keyed = pa.table(
        {
            "address": pa.array(keys, pa.string()),
            "subject_key": pa.array(keys.values(), pa.int64()),
            "merged": pa.array([last != address for address, last in lasting.items()], pa.bool_()),
        }
    )
    staging.take("keyed", keyed)
    retired = {
        address: subject_key(secret, source, ids[address]) for address, last in lasting.items() if last != address
    }
    merges = {
        "retired": pa.array(retired.values(), pa.int64()),
        "remains": pa.array((keys[at] for at in retired), pa.int64()),
    }
    staging.take("merged", pa.table(merges))
    staging.execute(
        """CREATE TABLE named AS SELECT address, any_value(subject_key) AS subject_key FROM (
            SELECT address, subject_key FROM keyed
            UNION ALL SELECT 'Patient?identifier=' || coalesce(name.system, '') || '|' || name.value, subject_key
            FROM (SELECT address, unnest(names) AS name FROM people) JOIN keyed USING (address)
            WHERE name.value IS NOT NULL)
        GROUP BY address HAVING count(DISTINCT subject_key) = 1"""
    )


def _lasting(address: str, survivors: dict[str, str | None]) -> str:
    """Whom a patient was merged into, at the end of the chain. A chain that bites its tail ends where it began."""
    seen = [address]
    while (following := survivors[seen[-1]]) in survivors:
        if following is None or following in seen:
            return min(seen)
        seen.append(following)
    return seen[-1]


def mark_opted_out(staging: Staging, consent: ConsentRule, opt_out: OptOut | None, data: Path) -> None:
    """`opted_out` (subject_key): everyone who may enter no cohort.

    1. Who denies research in a Consent, whatever else they have signed.
    2. Where a consent is required: who has given none that is in force on that day.
    3. Whom the opt-out file lists, or does not list, as the mapping says.
    """
    staging.execute("INSERT INTO set_aside SELECT file, line, reason FROM consents WHERE reason IS NOT NULL")
    staging.execute(
        """INSERT INTO set_aside SELECT file, line, 'is a Consent of nobody in the export, so that it binds nobody'
        FROM consents WHERE reason IS NULL AND patient NOT IN (SELECT address FROM named)"""
    )
    staging.execute(
        f"""CREATE TABLE wills AS SELECT subject_key, denied, granted, granted_from, granted_to
        FROM ({_LIVING.format("consents")}) AS latest
        JOIN named ON named.address = latest.patient"""
    )
    staging.execute("CREATE TABLE opted_out AS SELECT DISTINCT subject_key FROM wills WHERE denied")
    if consent.required:
        staging.execute(
            """INSERT INTO opted_out SELECT subject_key FROM keyed WHERE subject_key NOT IN (
                SELECT subject_key FROM wills WHERE granted AND coalesce(granted_from <= $day, true)
                    AND coalesce(granted_to > $day, true))""",
            {"day": consent.on},
        )
    if opt_out is not None:
        _take_list(staging, opt_out, data)


def _take_list(staging: Staging, opt_out: OptOut, data: Path) -> None:
    staging.take("listed", pa.table({"name": pa.array(read_list(data / opt_out.file), pa.string())}))
    names = "SELECT subject_key, people.id AS name FROM people JOIN keyed USING (address)"
    given = {}
    if opt_out.system is not None:
        names = """SELECT subject_key, replace(name.value, ' ', '') AS name FROM (
            SELECT address, unnest(names) AS name FROM people) JOIN keyed USING (address) WHERE name.system = $system"""
        given = {"system": opt_out.system}
    found = f"SELECT subject_key FROM ({names}) JOIN listed USING (name)"
    if opt_out.lists == "remain":
        found = f"SELECT subject_key FROM keyed WHERE subject_key NOT IN ({found})"
    staging.execute(f"INSERT INTO opted_out {found}", given)


SUBJECTS = """
    SELECT subject_key, birth, birth_precision, sex, death, death_precision,
        subject_key IN (SELECT subject_key FROM opted_out) AS opted_out, getvariable('batch') AS ingest_batch
    FROM people JOIN keyed USING (address) WHERE NOT merged"""
"""The rows of `subjects`."""
