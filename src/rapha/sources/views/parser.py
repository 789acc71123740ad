"""Tokens of a FHIRPath -> its tree. Precedence as in FHIRPath N1, section 6.8."""

from rapha.sources.views.tokens import Token, Unreadable, tokens
from rapha.sources.views.tree import Binary, Call, Child, Empty, Item, Literal, Minus, Node, This, Variable

DEEPEST, DEEPEST_CALLS = 40, 5
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!=", "~"),
    ("<", "<=", ">", ">="),
    ("|",),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_NOT_HERE = {"in", "contains", "~", "|", "implies"}


def parse(path: str) -> Node:
    """The tree of a path.

    Raises:
        Unreadable: it is no FHIRPath, or uses what is not supported here; the message says which and where.
    """
    reader = _Reader(path)
    tree = reader.binary(0)
    if reader.now.kind != "end":
        reader.unexpected("an operator or the end")
    return tree


class _Reader:
    def __init__(self, path: str) -> None:
        self.rest = tokens(path)
        self.now = next(self.rest)
        self.depth = self.calls = 0

    def take(self) -> Token:
        token = self.now
        if token.kind != "end":
            self.now = next(self.rest)
        return token

    def sign(self, text: str) -> bool:
        if self.now.kind == "sign" and self.now.text == text:
            self.take()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.sign(text):
            self.unexpected(f"`{text}`")

    def unexpected(self, expected: str) -> None:
        found = f"`{self.now.text[:20]}`" if self.now.kind != "end" else "the end"
        raise Unreadable(f"character {self.now.at}: found {found}, expected {expected}")

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        if level == 0:
            self.depth += 1
            if self.depth > DEEPEST:
                raise Unreadable(f"character {self.now.at}: nested deeper than {DEEPEST} levels")
        left = self.binary(level + 1)
        while self.now.kind in ("sign", "word") and self.now.text in _LEVELS[level]:
            operator = self.take()
            if operator.text in _NOT_HERE:
                raise Unreadable(f"character {operator.at}: the operator `{operator.text}` is not supported")
            left = Binary(operator.text, left, self.binary(level + 1))
        if level == 0:
            self.depth -= 1
        return left

    def unary(self) -> Node:
        minus = False
        while self.now.kind == "sign" and self.now.text in "+-":
            minus ^= self.take().text == "-"
        node = self.steps(self.term())
        return Minus(node) if minus else node

    def steps(self, node: Node) -> Node:
        for _ in range(200):
            if self.sign("."):
                if self.now.kind != "word":
                    self.unexpected("a name")
                node = self.named(node)
            elif self.sign("["):
                node = Item(node, self.binary(0))
                self.expect("]")
            else:
                return node
        raise Unreadable(f"character {self.now.at}: more than 200 steps")

    def term(self) -> Node:
        if self.sign("("):
            node = self.binary(0)
            self.expect(")")
            return node
        if self.sign("{"):
            self.expect("}")
            return Empty()
        match self.now.kind:
            case "text":
                return Literal(self.take().text, "text")
            case "moment":
                return Literal(self.take().text, "moment")
            case "number":
                text = self.take().text
                return Literal(float(text) if "." in text else int(text), "number")
            case "variable":
                return Variable(self.take().text)
            case "word":
                return self.named(This())
            case _:
                self.unexpected("a name, a literal or `(`")
        raise AssertionError

    def named(self, base: Node) -> Node:
        word = self.take()
        if self.sign("("):
            arguments: list[Node] = []
            self.calls += 1
            if self.calls > DEEPEST_CALLS:
                raise Unreadable(f"character {word.at}: calls within calls, deeper than {DEEPEST_CALLS} levels")
            while not self.sign(")"):
                if arguments:
                    self.expect(",")
                arguments.append(self.binary(0))
            self.calls -= 1
            return Call(base, word.text, tuple(arguments))
        if isinstance(base, This) and word.text == "$this":
            return base
        if isinstance(base, This) and word.text in ("true", "false"):
            return Literal(word.text == "true", "boolean")
        return Child(base, word.text)
