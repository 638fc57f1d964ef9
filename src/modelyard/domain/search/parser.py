"""Tokens to a checked tree, for both grammars.

MLflow's::

    filter := clause AND clause ...
    clause := NAME OP VALUE | NAME [NOT] IN (VALUE, ...) | NAME IS [NOT] NULL

Ours adds OR, NOT, parentheses, min(METRIC), max(METRIC), latest(METRIC), and number(PARAM or TAG).
"""

from __future__ import annotations

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search.fields import RULES, Rules
from modelyard.domain.search.lexer import Token, short, tokenize
from modelyard.domain.search.resolve import check_operator, is_name, resolve
from modelyard.domain.search.tree import Aggregate, And, Comparison, Entity, Field, Grammar, Node, Not, Or, Value
from modelyard.domain.search.values import listed, scalar

MAX_CLAUSES = 1_000
MAX_DEPTH = 100

AGGREGATES: dict[str, Aggregate] = {"min": "min", "max": "max", "latest": "latest", "number": "number"}

_EXAMPLES = ("metrics.loss", "params.lr")
_RESERVED = frozenset({"and", "or", "not", "in", "is", "like", "ilike", "null", "true", "false"})
_VALUES = frozenset({"number", "string", "word", "ticked", "path"})


def parse_filter(text: str | None, entity: Entity, grammar: Grammar) -> Node | None:
    """Parse and check a filter.

    Args:
        text: At most 100 kB, 1,000 clauses and 100 levels of parentheses and NOT.
        entity: What is searched for.
        grammar: `mlflow` for the MLflow protocol, `modelyard` for our own.

    Returns:
        The tree, or None if there is nothing to filter by.

    Raises:
        InvalidArgument: Anything that cannot be read, or cannot be asked of this entity.
    """
    if not text:
        return None
    parser = Parser(text, RULES[entity, grammar])
    return parser.mlflow() if grammar == "mlflow" else parser.own()


class Parser:
    """A cursor over the tokens of one text."""

    __slots__ = ("at", "clauses", "rules", "text", "tokens")

    def __init__(self, text: str, rules: Rules) -> None:
        self.text = text
        self.rules = rules
        self.tokens = tokenize(text, rules.grammar)
        self.at = 0
        self.clauses = 0

    def mlflow(self) -> Node:
        """Clauses, with AND between them. Like MLflow, forgive an AND that is missing or too many."""
        items: list[Node] = []
        if len(self.tokens) > 1 and self.tokens[-2].kind == "bad":
            self.at = len(self.tokens) - 2
            raise self.refusal("expected readable text")
        while (token := self.tokens[self.at]).kind != "end":
            if _is_keyword(token, "AND"):
                self.at += 1
            else:
                items.append(self._clause())
        if not items:
            raise InvalidArgument(f"Invalid filter '{short(self.text)}'. Could not be parsed.")
        return items[0] if len(items) == 1 else And(tuple(items))

    def own(self) -> Node | None:
        """OR binds weaker than AND, AND weaker than NOT."""
        if self.tokens[0].kind == "end":
            return None
        node = self._any(0)
        if self.tokens[self.at].kind != "end":
            raise self.refusal("expected AND, OR or the end")
        return node

    def _any(self, depth: int) -> Node:
        items = [self._all(depth)]
        while _is_keyword(self.tokens[self.at], "OR"):
            self.at += 1
            items.append(self._all(depth))
        if len(items) == 1:
            return items[0]
        return Or(tuple(leaf for item in items for leaf in (item.items if isinstance(item, Or) else (item,))))

    def _all(self, depth: int) -> Node:
        items = [self._one(depth)]
        while _is_keyword(self.tokens[self.at], "AND"):
            self.at += 1
            items.append(self._one(depth))
        if len(items) == 1:
            return items[0]
        return And(tuple(leaf for item in items for leaf in (item.items if isinstance(item, And) else (item,))))

    def _one(self, depth: int) -> Node:
        token = self.tokens[self.at]
        opening = token.text == "("
        if not opening and not _is_keyword(token, "NOT"):
            return self._clause()
        if depth >= MAX_DEPTH:
            raise InvalidArgument(f"The filter nests deeper than {MAX_DEPTH} parentheses and NOTs. Simplify it.")
        self.at += 1
        if not opening:
            return Not(self._one(depth + 1))
        node = self._any(depth + 1)
        if self.tokens[self.at].text != ")":
            raise self.refusal("expected AND, OR or ')'")
        self.at += 1
        return node

    def _clause(self) -> Comparison:
        first = self.at
        try:
            return self._comparison()
        except InvalidArgument as error:
            if self.rules.grammar == "modelyard" and not error.places:
                # What it is about was read already: the name, the operator, the value.
                error.places = (self._place(first, max(first, self.at - 1), error.message),)
            raise

    def _place(self, first: int, last: int, what: str) -> tuple[str, str]:
        """Where in the filter something is wrong: a pointer with a range of characters (RFC 5147), for programs."""
        final = self.tokens[last]
        end = len(self.text) if final.kind == "end" else final.start + len(final.text)
        return f"/filter#char={self.tokens[first].start},{end}", what

    def _comparison(self) -> Comparison:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise InvalidArgument(f"The filter has more than {MAX_CLAUSES} clauses. Ask in several requests.")
        start = self.at
        token = self.tokens[start]
        if not is_name(token) and token.kind != "end" and self.tokens[start + 1].kind == "op":
            raise InvalidArgument(f"Invalid comparison clause. Expected 'Identifier' found '{short(token.text)}'")
        if not is_name(token) or (token.kind == "word" and token.text.lower() in _RESERVED):
            raise self.refusal("expected a name such as metrics.loss")
        if self.rules.grammar == "modelyard" and self.tokens[start + 1].text == "(":
            field = self.aggregate()
        else:
            self.at += 1
            field = None
        written = self._operator(start)
        if field is None:
            field = resolve(token, self.rules)
        return self._right_side(start, field, written)

    def _right_side(self, start: int, field: Field, written: str) -> Comparison:
        value: Value = None
        if written in ("IN", "NOT IN"):
            value = self._list(start, field)
        elif written not in ("IS NULL", "IS NOT NULL"):
            token = self.tokens[self.at]
            if token.kind not in _VALUES or (token.kind == "word" and token.text.lower() in _RESERVED):
                raise self.refusal("expected a value", start)
            self.at += 1
            value = scalar(field, token, self.rules)
        return Comparison(field, check_operator(field, written, self.rules), value)

    def _operator(self, start: int) -> str:
        token = self.tokens[self.at]
        if token.kind == "op":
            self.at += 1
            return token.text
        if token.kind != "word":
            raise self.refusal("expected an operator", start)
        word = token.text.upper()
        following = self.tokens[self.at + 1]
        if word in ("LIKE", "ILIKE", "IN"):
            self.at += 1
            return word
        if word == "NOT" and following.kind == "word" and following.text.upper() in ("IN", "LIKE", "ILIKE"):
            self.at += 2
            return f"NOT {following.text.upper()}"
        if word == "IS" and _is_keyword(following, "NULL"):
            self.at += 2
            return "IS NULL"
        if word == "IS" and _is_keyword(following, "NOT") and _is_keyword(self.tokens[self.at + 2], "NULL"):
            self.at += 3
            return "IS NOT NULL"
        raise self.refusal("expected an operator", start)

    def _list(self, start: int, field: Field) -> Value:
        first = self.at
        if self.tokens[first].text != "(":
            raise self.refusal("expected a list in parentheses", start)
        last = first + 1
        while self.tokens[last].kind != "end" and self.tokens[last].text not in ("(", ")"):
            last += 1
        if self.tokens[last].text != ")":
            raise self.refusal("expected ')'", start)
        written = self.text[self.tokens[first].start : self.tokens[last].start + 1]
        self.at = last + 1
        return listed(field, self.tokens[first + 1 : last], short(written), self.rules)

    def aggregate(self, *, sorting: bool = False) -> Field:
        """Read min(metrics.a) at the cursor.

        Raises:
            InvalidArgument: Another function, or not what it takes inside.
        """
        name, _, inner, closing = (*self.tokens[self.at : self.at + 4], *self.tokens[-1:] * 4)[:4]
        aggregate = AGGREGATES.get(name.text.lower())
        if aggregate is None:
            raise self.refusal(f"expected one of {', '.join(AGGREGATES)} before '('")
        if not is_name(inner) or closing.text != ")":
            of = "params" if aggregate == "number" else "metrics"
            raise self.refusal(f"expected {name.text}({of}.KEY)")
        field = resolve(inner, self.rules, sorting=sorting)
        kinds = ("param", "tag") if aggregate == "number" else ("metric",)
        if field.kind not in kinds or self.rules.entity != "runs":
            takes = "a param or tag of a run" if aggregate == "number" else "a metric of a run"
            example = f"{name.text}({_EXAMPLES[aggregate == 'number']})"
            raise InvalidArgument(f"{name.text}(...) takes {takes}, such as {example}.")
        self.at += 4
        return Field(field.kind, field.key, aggregate)

    def refusal(self, expected: str, start: int | None = None) -> InvalidArgument:
        """Say where reading stopped. MLflow's messages list the tokens of the broken clause instead.

        Args:
            expected: What would have been right.
            start: Index of the clause's first token; the cursor's if None.
        """
        token = self.tokens[self.at]
        if self.rules.grammar == "modelyard":
            found = f"'{short(token.text)}'" if token.kind != "end" else "the end"
            return InvalidArgument(
                f"Cannot read the search: {expected}, found {found} at character {token.start}. "
                "Example: metrics.loss < 0.1 AND (params.model = 'cnn' OR tags.keep IS NOT NULL)",
                [self._place(self.at, self.at, f"{expected}, found {found}")],
            )
        if self.rules.entity == "logged_models":
            return InvalidArgument(
                f"Invalid filter string: {short(self.text)!r}. Expected a list of comparisons separated by 'AND' "
                "(e.g. 'metrics.loss > 0.1 AND params.lr = 0.01')."
            )
        if any(t.text == ";" for t in self.tokens[:-2]):
            return InvalidArgument(
                f"Search filter contained multiple expression {short(self.text)!r}. Provide AND-ed expression list."
            )
        return InvalidArgument(f"Invalid clause(s) in filter string: {', '.join(self._broken(start))}")

    def _broken(self, start: int | None) -> list[str]:
        first = self.at if start is None else start
        token = self.tokens[first]
        if token.text == "(":
            pieces = [self.text[token.start :]]
        elif token.kind == "word" and token.text.lower() in _RESERVED:
            pieces = [token.text]
        else:
            pieces = []
            for piece in self.tokens[first : first + 10]:
                if piece.kind == "end" or (pieces and _is_keyword(piece, "AND", "OR")):
                    break
                pieces.append(piece.text)
        shown = [short(piece) for piece in pieces]
        return [f"'{piece}'" for piece in shown] if self.rules.entity == "runs" else shown


def _is_keyword(token: Token, *words: str) -> bool:
    return token.kind == "word" and token.text.upper() in words
