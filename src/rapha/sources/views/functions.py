"""The functions that a path can call: those of SQL on FHIR v2, shareable and experimental."""

from collections.abc import Callable
from difflib import get_close_matches

from rapha.sources.views.expression import Context, Expressions, Value
from rapha.sources.views.tokens import Unreadable
from rapha.sources.views.tree import Binary, Call, Child, Literal, Node, This

Function = Callable[[Expressions, Call, Context], Value]


def call(paths: Expressions, node: Call, context: Context) -> Value:
    """SQL of a call. Raises Unreadable: no such function, or not with these arguments."""
    if node.name not in FUNCTIONS:
        near = get_close_matches(node.name, FUNCTIONS, n=1)
        meant = f"; did you mean `{near[0]}`?" if near else f"; supported are {', '.join(FUNCTIONS)}"
        raise Unreadable(f"the function `{node.name}()` is not supported{meant}")
    function, least, most = FUNCTIONS[node.name]
    if not least <= len(node.arguments) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        raise Unreadable(f"`{node.name}()` takes {wanted} arguments, found {len(node.arguments)}")
    return function(paths, node, context)


def _where(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(paths.kept(paths.items(node.base, context), node.arguments[0], context))


def _exists(paths: Expressions, node: Call, context: Context) -> Value:
    found = _where(paths, node, context).sql if node.arguments else paths.items(node.base, context)
    return Value(f"(len({found}) > 0)", "boolean")


def _empty(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(f"(len({paths.items(node.base, context)}) = 0)", "boolean")


def _all(paths: Expressions, node: Call, context: Context) -> Value:
    items, each = paths.items(node.base, context), paths.bindings.name("a")
    truth = paths.truth(node.arguments[0], context.within(each))
    return Value(f"(len(list_filter({items}, lambda {each}: NOT coalesce({truth}, false))) = 0)", "boolean")


def _count(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(f"CAST(len({paths.items(node.base, context)}) AS DOUBLE)", "number")


def _first(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(f"({paths.items(node.base, context)})[1:1]")


def _last(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(f"({paths.items(node.base, context)})[-1:]")


def _not(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(f"(NOT {paths.truth(node.base, context)})", "boolean")


def _join(paths: Expressions, node: Call, context: Context) -> Value:
    each = paths.bindings.name("j")
    between = paths.text(node.arguments[0], context) if node.arguments else "''"
    texts = f"list_transform({paths.items(node.base, context)}, lambda {each}: text_of({each}))"
    return Value(f"array_to_string({texts}, {between})", "text")


def _of_type(paths: Expressions, node: Call, context: Context) -> Value:
    """A choice element: `value.ofType(Quantity)` is `valueQuantity`. Of resources, those of that type."""
    name = _type_name(node.arguments[0])
    if not isinstance(node.base, Child):
        raise Unreadable("`ofType()` stands right behind the name of an element, such as `value.ofType(Quantity)`")
    if node.base.name in ("resource", "contained"):
        each, of = paths.bindings.name("r"), paths.bindings.bind(name)
        kinds = f"json_extract_string({each}, '$.resourceType') = {of}"
        return Value(f"list_filter({paths.items(node.base, context)}, lambda {each}: coalesce({kinds}, false))")
    return Value(paths.kids(node.base.base, node.base.name + name[0].upper() + name[1:], context))


def _extension(paths: Expressions, node: Call, context: Context) -> Value:
    kids = paths.kids(node.base, "extension", context)
    return Value(paths.kept(kids, Binary("=", Child(This(), "url"), node.arguments[0]), context))


def _resource_key(paths: Expressions, node: Call, context: Context) -> Value:
    return Value(paths.kids(node.base, "id", context))


def _reference_key(paths: Expressions, node: Call, context: Context) -> Value:
    """The id at the end of a reference: relative, absolute, with a version, or urn:uuid (whose type it does not tell)."""
    references, each = paths.kids(node.base, "reference", context), paths.bindings.name("f")
    if node.arguments:
        of, kept = paths.bindings.bind(_type_name(node.arguments[0])), paths.bindings.name("f")
        kinds = f"reference_type(text_of({kept})) IN ({of}, '')"
        references = f"list_filter({references}, lambda {kept}: {kinds})"
    keys = f"list_transform({references}, lambda {each}: to_json(reference_key(text_of({each}))))"
    return Value(f"list_filter({keys}, lambda m_f: json_type(m_f) <> 'NULL')")


def _boundary(paths: Expressions, node: Call, context: Context) -> Value:
    side = "low" if node.name == "lowBoundary" else "high"
    kind = paths.hint
    if isinstance(node.base, Call) and node.base.name == "ofType":
        kind = _type_name(node.base.arguments[0])
    kind = {"date": "date", "dateTime": "dateTime", "instant": "dateTime"}.get(kind, "")
    each = paths.bindings.name("b")
    bound = f"{side}_boundary({each}, {paths.bindings.bind(kind)})"
    found = f"list_transform({paths.items(node.base, context)}, lambda {each}: {bound})"
    return Value(f"list_filter({found}, lambda m_b: json_type(m_b) <> 'NULL')")


def _type_name(node: Node) -> str:
    """`Quantity`, `FHIR.Quantity`, or the text 'Quantity'."""
    if isinstance(node, Child) and (isinstance(node.base, This) or node.base == Child(This(), "FHIR")):
        return node.name
    if isinstance(node, Literal) and isinstance(node.value, str) and node.value.isalnum():
        return node.value
    raise Unreadable("expected the name of a type, such as `Quantity`")


FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "where": (_where, 1, 1),
    "exists": (_exists, 0, 1),
    "empty": (_empty, 0, 0),
    "all": (_all, 1, 1),
    "count": (_count, 0, 0),
    "first": (_first, 0, 0),
    "last": (_last, 0, 0),
    "not": (_not, 0, 0),
    "join": (_join, 0, 1),
    "ofType": (_of_type, 1, 1),
    "extension": (_extension, 1, 1),
    "getResourceKey": (_resource_key, 0, 0),
    "getReferenceKey": (_reference_key, 0, 1),
    "lowBoundary": (_boundary, 0, 0),
    "highBoundary": (_boundary, 0, 0),
}
"""Name, and the least and the most arguments."""
