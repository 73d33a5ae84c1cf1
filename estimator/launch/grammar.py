"""Statements of a shell script: commands, conditions, loops, functions; none of them run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from computebill.base.errors import RequestError

from .words import Token, tokens

DEEPEST = 60
"""Levels of conditions and loops in each other."""

ARROWS = ("<", ">", ">>", "<<", "<<-", "<<<", "&>", "&>>", ">&", "<&")
"""Operators whose next word is a file's name, or a text."""


@dataclass(frozen=True)
class Command:
    """Words of one command, arrays that it sets among them.

    Attributes:
        words: in their order.
        heredoc: the text that it reads; None where there is none.
    """

    words: tuple[Token, ...]
    heredoc: str | None = None

    @property
    def line(self) -> int:
        """Line of its beginning."""
        return self.words[0].line


@dataclass(frozen=True)
class Joined:
    """Commands with ``&&`` and ``||`` between.

    Attributes:
        first: what comes first.
        rest: the operator, and what follows it.
    """

    first: Statement
    rest: tuple[tuple[str, Statement], ...]


@dataclass(frozen=True)
class If:
    """Conditions, each with what follows of it; of ``else`` the condition is empty."""

    branches: tuple[tuple[Block, Block], ...]
    line: int


@dataclass(frozen=True)
class Loop:
    """A loop.

    Attributes:
        variable: that a list is gone through with; empty of ``while`` and ``until``.
        words: of the list.
        body: what is repeated.
        line: of its beginning.
    """

    variable: str
    words: tuple[Token, ...]
    body: Block
    line: int


@dataclass(frozen=True)
class Case:
    """A word, and what follows of each pattern that it may have."""

    word: Token
    branches: tuple[tuple[tuple[Token, ...], Block], ...]
    line: int


@dataclass(frozen=True)
class Function:
    """A function by its name."""

    name: str
    body: Block


@dataclass(frozen=True)
class Group:
    """Statements in brackets."""

    body: Block


Statement = Command | Joined | If | Loop | Case | Function | Group
Block = tuple[Statement, ...]


def statements(text: str, name: str, line: int = 1, *, counts: bool = True) -> Block:
    """Return the statements of a script; the arguments are those of ``tokens``.

    Raises:
        RequestError: with the line, where it is nested too deep, or something is not closed.
    """
    return _Parser(tokens(text, name, line, counts=counts), name).block(frozenset())


class _Parser:
    def __init__(self, found: list[Token], name: str) -> None:
        self.tokens, self.name, self.at, self.depth = found, name, 0, 0

    @property
    def here(self) -> Token:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return Token("end", "", self.tokens[-1].line if self.tokens else 1)

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.tokens)

    def is_word(self, *texts: str) -> bool:
        return self.here.kind == "word" and self.here.text in texts

    def is_operator(self, *texts: str) -> bool:
        return self.here.kind == "operator" and self.here.text in texts

    def block(self, until: Collection[str]) -> Block:
        """Return statements up to a word, or an operator, that ends them; it is left."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise RequestError(f"{self.name} line {self.here.line}", "is nested too deep")
        found: list[Statement] = []
        while not self.is_over:
            if self.here.kind in ("word", "operator") and self.here.text in until:
                break
            if self.here.kind == "end" or self.is_operator(";", "&"):
                self.at += 1
                continue
            before = self.at
            statement = self.joined()
            if statement is not None:
                found.append(statement)
            if self.at == before:  # an operator where none belongs
                self.at += 1
        self.depth -= 1
        return tuple(found)

    def joined(self) -> Statement | None:
        """Return commands with ``&&``, ``||`` and pipes between."""
        first = self.single()
        rest: list[tuple[str, Statement]] = []
        while self.is_operator("&&", "||", "|", "|&"):
            operator = self.here.text
            self.at += 1
            while self.here.kind == "end" and not self.is_over:
                self.at += 1
            following = self.single()
            if following is not None:
                rest.append((operator, following))
        if first is None:
            return rest[0][1] if rest else None
        return Joined(first, tuple(rest)) if rest else first

    def single(self) -> Statement | None:
        """Return one command or compound."""
        if self.is_word("!", "time"):
            self.at += 1
            return self.single()
        if self.is_word("if"):
            return self.condition()
        if self.is_word("for", "while", "until", "select"):
            return self.loop()
        if self.is_word("case"):
            return self.case()
        if self.is_word("{"):
            self.at += 1
            return Group(self.closed("}"))
        if self.is_operator("("):
            self.at += 1
            return Group(self.closed(")"))
        if self.is_word("function"):
            self.at += 2
            name = self.tokens[self.at - 1].text if self.at <= len(self.tokens) else ""
            return self.function(name)
        following = self.tokens[self.at + 1 : self.at + 3]
        if self.here.kind == "word" and [each.text for each in following] == ["(", ")"]:
            name = self.here.text
            self.at += 1
            return self.function(name)
        return self.command()

    def function(self, name: str) -> Statement:
        while self.is_operator("(", ")") or (self.here.kind == "end" and not self.is_over):
            self.at += 1
        body = self.single()
        inner = body.body if isinstance(body, Group) else (body,) if body is not None else ()
        return Function(name, inner)

    def closed(self, end: str) -> Block:
        """Return a block, and take the word that ends it."""
        body = self.block({end})
        self.at += 1
        return body

    def condition(self) -> Statement:
        line, branches = self.here.line, []
        while self.is_word("if", "elif"):
            self.at += 1
            test = self.block({"then"})
            self.at += 1
            branches.append((test, self.block({"elif", "else", "fi"})))
        if self.is_word("else"):
            self.at += 1
            branches.append(((), self.block({"fi"})))
        self.at += 1
        return If(tuple(branches), line)

    def loop(self) -> Statement:
        line, kind = self.here.line, self.here.text
        self.at += 1
        variable, words = "", []
        if kind in ("for", "select") and self.here.kind == "word":
            variable = self.here.text
            self.at += 1
            while not self.is_over and not self.is_word("do"):
                if self.here.kind == "word" and self.here.text != "in":
                    words.append(self.here)
                self.at += 1
        else:
            self.block({"do"})
        self.at += 1
        return Loop(variable, tuple(words), self.closed("done"), line)

    def case(self) -> Statement:
        line = self.here.line
        self.at += 1
        word = self.here
        while not self.is_over and not self.is_word("in"):
            self.at += 1
        self.at += 1
        branches: list[tuple[tuple[Token, ...], Block]] = []
        while not self.is_over and not self.is_word("esac"):
            patterns: list[Token] = []
            while not self.is_over and not self.is_operator(")") and not self.is_word("esac"):
                if self.here.kind == "word":
                    patterns.append(self.here)
                self.at += 1
            if self.is_word("esac"):
                break
            self.at += 1
            body = self.block({";;", ";&", ";;&", "esac"})
            if not self.is_word("esac"):
                self.at += 1
            branches.append((tuple(patterns), body))
        self.at += 1
        return Case(word, tuple(branches), line)

    def command(self) -> Statement | None:
        """Return a command; what it reads from and writes to is passed over."""
        words: list[Token] = []
        heredoc: str | None = None
        is_test = self.is_word("[[")
        while not self.is_over:
            token = self.here
            if is_test and words and words[-1].text == "]]":
                break
            if is_test and token.kind != "end":
                words.append(token._replace(kind="word"))
                self.at += 1
                continue
            if token.kind == "end":
                break
            if token.kind != "operator":
                words.append(token)
                self.at += 1
                continue
            if token.text not in ARROWS:
                break
            heredoc = token.body if token.text in ("<<", "<<-") else heredoc
            self.at += 2
        return Command(tuple(words), heredoc) if words else None
