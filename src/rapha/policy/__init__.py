"""MAY IT? decide(request, rules) -> Allowed, NeedsPerson or Refused. Pure; deny by default.

rules.py        SiteRules: what a hospital permits, as data
rules_file.py   rules.yaml -> SiteRules, or a sentence that names file, line, key and the nearest word
decide.py       the one permit, and its second reading before data is touched
data_use.py     GA4GH DUO: which purpose may which data serve, under which conditions
own_permit.py   the hospital's own permit, in Cedar; it can only narrow
stewards.py     who signs, by their own key, and never the researcher; names.py says who may be one person
feasibility.py  may a count be told to somebody who only asks?
ledger.py       the privacy ledger's rules, and how many runs a project had
explain.py      a reason code -> a sentence for a person
explanation.py  a sentence for each line of the rules
cases.py        the hospital's own table of cases, held against its rules
"""
