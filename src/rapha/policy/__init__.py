"""MAY IT? decide(request, rules) -> Allowed, NeedsPerson or Refused. Pure; deny by default.

rules.py       SiteRules: what a hospital permits, as data
rules_file.py  rules.yaml -> SiteRules, or a sentence that names file, line, key and the nearest word
decide.py      the one permit, and its second reading before data is touched
explain.py     a reason code -> a sentence for a person
"""
