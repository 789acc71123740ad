"""How fast numbers change: the same line for a feature, before the index, and for an outcome, after it."""

MICROSECONDS_A_DAY = 86_400_000_000
DAYS_A_YEAR = 365.25
INDEX = "cohort.index_at"


def slope(valued: str, per_year: bool) -> str:
    """Of the least squares line of number against time from the index; by definition, over numbers in their order."""
    days = DAYS_A_YEAR if per_year else 1.0
    time = f"((epoch_us(e.happened) - epoch_us({INDEX})) / {MICROSECONDS_A_DAY}.0 / CAST({days} AS DOUBLE))"
    several = f"min(e.happened) {valued} < max(e.happened) {valued}"
    return f"CASE WHEN {several} THEN regr_slope(e.value, {time} ORDER BY e.place) {valued} END"
