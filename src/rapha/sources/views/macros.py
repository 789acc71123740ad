"""SQL words of our own, defined once on the connection that runs a view.

A collection is a `JSON[]` without nulls; nothing is `[]`. A macro takes each argument into a lambda of its own where it
needs it twice, so that nested paths do not grow in the statement. `why` is what is told when a cell is not as the path
expects; it names the place in the view and holds no cell.
"""

MARK = "view: "
"""Begins each `why`, so that it is found again in what the database says."""

_NUMERIC = "('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')"
_MOMENT = r"^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$"
_ZONED = r"T.*(Z|[+-]\d\d:\d\d)$"

MACROS = (
    "text_of(e) AS json_extract_string(e, '$')",
    f"is_number(e) AS coalesce(json_type(e) IN {_NUMERIC}, false)",
    "kid(e, path) AS list_filter(list_transform([json_extract(e, path)], lambda m_k: "
    "CASE WHEN json_type(m_k) = 'ARRAY' THEN CAST(m_k AS JSON[]) ELSE [m_k] END)[1], "
    "lambda m_l: json_type(m_l) <> 'NULL')",
    "as_list(v) AS list_filter([to_json(v)], lambda m_a: json_type(m_a) <> 'NULL')",
    "or_null(c) AS list_transform([c], lambda m_n: CASE len(m_n) WHEN 0 THEN [CAST(NULL AS JSON)] ELSE m_n END)[1]",
    "single(c, why) AS list_transform([c], lambda m_o: "
    "CASE len(m_o) WHEN 0 THEN NULL WHEN 1 THEN m_o[1] ELSE error(why) END)[1]",
    # One element as a boolean, a number, a whole number, a text. `e` is used more than once: pass a lambda's variable.
    "truth_in(e, why) AS CASE json_type(e) WHEN 'BOOLEAN' THEN text_of(e) = 'true' ELSE error(why) END",
    "number_in(e, why) AS CASE WHEN is_number(e) THEN CAST(text_of(e) AS DOUBLE) ELSE error(why) END",
    "whole_in(e, why) AS CASE WHEN is_number(e) AND TRY_CAST(text_of(e) AS BIGINT) = CAST(text_of(e) AS DOUBLE) "
    "THEN TRY_CAST(text_of(e) AS BIGINT) ELSE error(why) END",
    "one_truth(c, why) AS list_transform([c], lambda m_t: "
    "CASE len(m_t) WHEN 0 THEN NULL WHEN 1 THEN truth_in(m_t[1], why) ELSE error(why) END)[1]",
    "one_number(c, why) AS list_transform([c], lambda m_d: "
    "CASE len(m_d) WHEN 0 THEN NULL WHEN 1 THEN number_in(m_d[1], why) ELSE error(why) END)[1]",
    "one_text(c, why) AS text_of(single(c, why))",
    # Equality and order of FHIRPath N1, 6.1 and 6.2: moments of different precision are neither equal nor unequal.
    f"is_moment(t) AS regexp_matches(t, '{_MOMENT}')",
    f"is_zoned(t) AS regexp_matches(t, '{_ZONED}')",
    r"plain_moment(t) AS regexp_replace(t, '\.0+(Z|[+-]\d\d:\d\d)?$', '\1')",
    "moment_order(a, b) AS CASE WHEN a = b THEN 0 "
    "WHEN is_zoned(a) AND is_zoned(b) THEN CAST(sign(epoch_us(TRY_CAST(a AS TIMESTAMPTZ)) "
    "- epoch_us(TRY_CAST(b AS TIMESTAMPTZ))) AS INTEGER) "
    "WHEN starts_with(a, b) OR starts_with(b, a) THEN NULL WHEN a < b THEN -1 ELSE 1 END",
    "text_order(a, b) AS CASE WHEN is_moment(a) AND is_moment(b) THEN moment_order(plain_moment(a), plain_moment(b)) "
    "WHEN a = b THEN 0 WHEN a < b THEN -1 ELSE 1 END",
    "order_of(x, y, why) AS CASE WHEN is_number(x) AND is_number(y) "
    "THEN CAST(sign(CAST(text_of(x) AS DOUBLE) - CAST(text_of(y) AS DOUBLE)) AS INTEGER) "
    "WHEN json_type(x) = 'VARCHAR' AND json_type(y) = 'VARCHAR' THEN text_order(text_of(x), text_of(y)) "
    "ELSE error(why) END",
    "same(x, y) AS CASE WHEN is_number(x) AND is_number(y) THEN CAST(text_of(x) AS DOUBLE) = CAST(text_of(y) AS DOUBLE) "
    "WHEN json_type(x) <> json_type(y) THEN false "
    "WHEN json_type(x) = 'VARCHAR' THEN text_order(text_of(x), text_of(y)) = 0 ELSE text_of(x) = text_of(y) END",
    "equal(c, d) AS list_transform([{'c': c, 'd': d}], lambda m_e: "
    "CASE WHEN len(m_e.c) = 0 OR len(m_e.d) = 0 THEN NULL WHEN len(m_e.c) <> len(m_e.d) THEN false "
    "ELSE list_bool_and(list_transform(m_e.c, lambda m_x, m_i: same(m_x, m_e.d[m_i]))) END)[1]",
    "compared(c, d, why) AS list_transform([{'c': c, 'd': d}], lambda m_c: "
    "CASE WHEN len(m_c.c) = 0 OR len(m_c.d) = 0 THEN NULL WHEN len(m_c.c) > 1 OR len(m_c.d) > 1 THEN error(why) "
    "ELSE order_of(m_c.c[1], m_c.d[1], why) END)[1]",
    r"reference_type(t) AS regexp_extract(t, '(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.\-]{1,64}(?:/_history/[^/]+)?$', 1)",
    r"reference_key(t) AS nullif(regexp_extract(t, "
    r"'(?:(?:^|/)[A-Z][A-Za-z]+/|^urn:uuid:|^urn:oid:)([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?$', 1), '')",
    # lowBoundary and highBoundary: the least and the greatest value that a value as written may stand for.
    r"digits_after(t) AS CAST(length(regexp_extract(t, '\.(\d+)', 1)) AS INTEGER)",
    "low_number(t) AS round(CAST(t AS DOUBLE) - 0.5 * pow(10, -digits_after(t)), digits_after(t) + 1)",
    "high_number(t) AS round(CAST(t AS DOUBLE) + 0.5 * pow(10, -digits_after(t)), digits_after(t) + 1)",
    r"zone_of(t) AS regexp_extract(t, 'T.*?(Z|[+-]\d\d:\d\d)$', 1)",
    r"clock_of(t) AS regexp_extract(t, 'T([\d:.]+)', 1)",
    "low_date(t) AS left(t, 10) || substr('0000-01-01', length(left(t, 10)) + 1)",
    "high_date(t) AS CASE length(left(t, 10)) WHEN 4 THEN t || '-12-31' "
    "WHEN 7 THEN strftime(last_day(TRY_CAST(t || '-01' AS DATE)), '%Y-%m-%d') ELSE left(t, 10) END",
    "low_clock(t) AS left(t, 12) || substr('00:00:00.000', length(left(t, 12)) + 1)",
    "high_clock(t) AS left(t, 12) || substr('23:59:59.999', length(left(t, 12)) + 1)",
    "low_text(t, kind) AS CASE WHEN t[3] = ':' THEN low_clock(t) WHEN NOT is_moment(t) THEN NULL "
    "WHEN kind = 'date' OR (kind = '' AND NOT contains(t, 'T')) THEN low_date(t) "
    "ELSE low_date(t) || 'T' || low_clock(clock_of(t)) || coalesce(nullif(zone_of(t), ''), '+14:00') END",
    "high_text(t, kind) AS CASE WHEN t[3] = ':' THEN high_clock(t) WHEN NOT is_moment(t) THEN NULL "
    "WHEN kind = 'date' OR (kind = '' AND NOT contains(t, 'T')) THEN high_date(t) "
    "ELSE high_date(t) || 'T' || high_clock(clock_of(t)) || coalesce(nullif(zone_of(t), ''), '-12:00') END",
    "low_boundary(e, kind) AS CASE WHEN is_number(e) THEN to_json(low_number(text_of(e))) "
    "ELSE to_json(low_text(text_of(e), kind)) END",
    "high_boundary(e, kind) AS CASE WHEN is_number(e) THEN to_json(high_number(text_of(e))) "
    "ELSE to_json(high_text(text_of(e), kind)) END",
)
