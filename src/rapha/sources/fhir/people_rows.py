"""Resources that say who there is and who has said no, and Medications that others refer to: lines into their tables.

patients    one row per line: id, versions, birth, sex, death, what else the patient is called
consents    patient, denied, granted and from when to when; already judged
medicines   address of a Medication, and its codings
deletions   address of what a Bundle deletes, and when
"""

PEOPLE_TABLES = (
    """CREATE TABLE patients (file INTEGER, line BIGINT, address VARCHAR, id VARCHAR, birth TIMESTAMP,
        birth_precision VARCHAR, sex VARCHAR, dead BOOLEAN, death TIMESTAMP, death_precision VARCHAR,
        names STRUCT(system VARCHAR, value VARCHAR)[], survivor VARCHAR, version VARCHAR, updated TIMESTAMP,
        reason VARCHAR)""",
    """CREATE TABLE consents (file INTEGER, line BIGINT, address VARCHAR, patient VARCHAR, denied BOOLEAN,
        granted BOOLEAN, granted_from TIMESTAMP, granted_to TIMESTAMP, version VARCHAR, updated TIMESTAMP,
        reason VARCHAR)""",
    "CREATE TABLE medicines (address VARCHAR, codings STRUCT(system VARCHAR, code VARCHAR)[], updated TIMESTAMP)",
    "CREATE TABLE deletions (address VARCHAR, deleted_at TIMESTAMP)",
)

_READ = """(SELECT file, line, address AS given, TRY(json_transform(text, $structure)) AS r FROM chunk)"""
_VERSION = "coalesce(r.meta.versionId, r.meta.lastUpdated) AS version, utc_of(r.meta.lastUpdated) AS updated"
_MODIFIED = "len(r.modifierExtension) > 0 OR r.implicitRules IS NOT NULL"
_MODIFIED_REASON = "'has a modifierExtension or implicitRules, which may turn its meaning around'"
RESEARCH = "['HRESCH', 'BIORCH', 'CLINTRCH', 'CLINTRCHNPC', 'CLINTRCHPC', 'PRECLINTRCH', 'DSRCH', 'POARCH', 'TRANSRCH']"
"""Purposes of the value set v3-PurposeOfUse that are research."""

_PATIENT = f"""INSERT INTO patients BY NAME
    SELECT file, line, coalesce('Patient/' || r.id, given) AS address, coalesce(r.id, given) AS id,
        utc_of(r.birthDate) AS birth, precision_of(r.birthDate) AS birth_precision,
        CASE r.gender WHEN 'female' THEN 'female' WHEN 'male' THEN 'male' WHEN 'other' THEN 'other' END AS sex,
        r.deceasedDateTime IS NOT NULL OR r.deceasedBoolean = 'true' AS dead,
        utc_of(r.deceasedDateTime) AS death, precision_of(r.deceasedDateTime) AS death_precision,
        r.identifier AS names,
        local_of(list_filter(r.link, lambda l: l.type = 'replaced-by')[1].other.reference) AS survivor, {_VERSION},
        CASE WHEN r IS NULL THEN 'is not JSON, or no resource'
            WHEN {_MODIFIED} THEN {_MODIFIED_REASON}
            WHEN coalesce(r.id, given) IS NULL THEN 'is a Patient without an id'
            WHEN r.birthDate IS NOT NULL AND utc_of(r.birthDate) IS NULL
                OR r.deceasedDateTime IS NOT NULL AND utc_of(r.deceasedDateTime) IS NULL
                THEN 'has a date or time that cannot be read'
            WHEN year(utc_of(r.deceasedDateTime)) < year(utc_of(r.birthDate)) THEN 'dies before birth' END AS reason
    FROM {_READ}"""

_ALLOWS = """CREATE TEMP MACRO of_research(provision) AS coalesce(len(provision.purpose), 0) = 0
    OR len(list_filter(provision.purpose, lambda p: list_contains({research}, p.code))) > 0"""

CONSENT_MACROS = (
    _ALLOWS.format(research=RESEARCH),
    """CREATE TEMP MACRO says(provision, word) AS (provision.type = word AND of_research(provision))
        OR len(list_filter(provision.provision, lambda p: p.type = word AND of_research(p))) > 0""",
)

_CONSENT = f"""INSERT INTO consents BY NAME
    SELECT file, line, coalesce('Consent/' || r.id, given, getvariable('names')[file + 1] || '#' || line) AS address,
        local_of(r.patient.reference) AS patient,
        matters AND (r.status = 'active' AND (coalesce(says(r.provision, 'deny'), false)
                OR coalesce(has_code(r.policyRule, 'OPTOUT'), false))
            OR r.status = 'rejected' AND coalesce(has_code(r.scope, 'research'), false)) AS denied,
        matters AND r.status = 'active' AND (coalesce(says(r.provision, 'permit'), false)
            OR coalesce(has_code(r.policyRule, 'OPTIN'), false)) AS granted,
        utc_of(r.provision.period.start) AS granted_from,
        last_of(utc_of(r.provision.period."end"), r.provision.period."end") AS granted_to, {_VERSION},
        CASE WHEN r IS NULL THEN 'is not JSON, or no resource' WHEN r.patient.reference IS NULL THEN 'names no patient'
            END AS reason
    FROM (SELECT *, coalesce(len(r.scope.coding), 0) = 0 OR has_code(r.scope, 'research')
            OR has_code(r.scope, 'patient-privacy') AS matters FROM {_READ})"""

_MEDICATION = f"""INSERT INTO medicines
    SELECT coalesce('Medication/' || r.id, given), r.code.coding, utc_of(r.meta.lastUpdated) FROM {_READ}
    WHERE r IS NOT NULL"""

PEOPLE_STATEMENTS = {"Patient": _PATIENT, "Consent": _CONSENT, "Medication": _MEDICATION}
"""As `staged_rows.statement`: they read the relation `chunk`."""
