"""A shell script, read as far as its variables, arrays and conditions go; nothing is run."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from computebill.base.errors import RequestError

from .expansion import Scope, fields, text_of
from .grammar import Block, Case, Command, Function, Group, If, Joined, Loop, Statement, statements
from .marks import BREAK, HOLE, Text
from .words import Token

SETS = re.compile(r"([A-Za-z_]\w*)(\[[^\]]*\])?(\+?=)(.*)", re.DOTALL)
DECLARES = ("export", "declare", "local", "readonly", "typeset")
PASSED_OVER = re.compile(
    r"echo|mkdir|cd|set|shift|exit|return|ulimit|module|conda|pip3?|apt|sleep|wait|trap|rm|cp|mv|"
    r"chmod|ls|date|hostname|true|false|:|printf|test|\[\[?|let|alias|umask|pushd|popd|kill|tee|"
    r"nvidia-smi|which|git|cat|grep|sed|awk|wget|curl|scontrol|head|tail|wc"
)
"""Commands that say nothing of a training run."""

ENVIRONMENT = ("NPROC_PER_NODE", "NNODES", "NGPU", "MODULE", "CONFIG")
"""Variables that are set for one command and say how many processes of what it starts."""

REDIRECTS = re.compile(r"(?:\d?>|&>|\||;|&&)")
"""What ends the words of a command that stands in a text."""

SHELLS = ("bash", "sh", "sbatch", "zsh", "ssh")
MOST_STEPS = 50_000
DEEPEST = 25


@dataclass(frozen=True)
class Ran:
    """A command that a script would run: its words, as they come after all that is set."""

    words: tuple[Text, ...]


@dataclass(frozen=True)
class Reading:
    """What a script comes to.

    Attributes:
        commands: that it would run, but for those that say nothing of training.
        variables: words of texts that hold arguments, in the order that they were set, for a
            script that runs nothing itself.
        notes: what was left alone.
        sourced: names of other given scripts that were followed in it.
    """

    commands: tuple[Ran, ...]
    variables: tuple[Text, ...]
    notes: tuple[str, ...]
    sourced: frozenset[str] = frozenset()


def read_script(
    text: str, name: str, given: Mapping[str, str], others: Mapping[str, str] | None = None
) -> Reading:
    """Follow a script's variables, arrays and conditions.

    Args:
        text: of the script.
        name: of the file.
        given: variables that a scheduler sets.
        others: texts of other scripts that were given, by the names of their files: where this
            one sources one of them, it is followed there.

    Raises:
        RequestError: with the line, where a quote is not closed, or it is too deep or too long.
    """
    reader = _Reader(Scope(name, given), others or {})
    reader.follow(statements(text, name))
    held = [
        word
        for value in reader.scope.values.values()
        for texts in [value if isinstance(value, list) else [value]]
        if any("--" in each for each in texts)
        for each in texts
        for word in resplit(each)
    ]
    return Reading(
        tuple(reader.commands), tuple(held), tuple(reader.scope.notes), frozenset(reader.sourced)
    )


class _Reader:
    def __init__(self, scope: Scope, others: Mapping[str, str]) -> None:
        self.scope, self.others = scope, others
        self.sourced: set[str] = set()
        self.commands: list[Ran] = []
        self.functions: dict[str, Block] = {}
        self.steps = 0
        self.depth = 0

    def follow(self, block: Block) -> None:
        """Go through statements."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise RequestError(self.scope.name, "functions call each other too deep")
        for statement in block:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise RequestError(self.scope.name, f"has more than {MOST_STEPS:,} statements")
            self.take(statement)
        self.depth -= 1

    def take(self, statement: Statement) -> None:
        """Follow one statement."""
        match statement:
            case Command():
                self.command(statement)
            case Joined():
                self.joined(statement)
            case If():
                self.condition(statement)
            case Loop():
                self.loop(statement)
            case Case():
                self.case(statement)
            case Function():
                self.functions[statement.name] = statement.body
            case Group():
                self.follow(statement.body)

    def joined(self, joined: Joined) -> None:
        """Follow commands with ``&&`` and ``||`` between; every end of a pipe."""
        holds = self.holds(joined.first)
        self.take(joined.first)
        for sign, statement in joined.rest:
            if sign in ("|", "|&"):
                if isinstance(statement, Command) and _is_bare_shell(statement):
                    what = f"what is piped into {statement.words[0].text} is not read: give it too"
                    self.scope.note(statement.line, what)
                self.take(statement)
            elif (sign == "&&") == (holds is not False):
                holds = self.holds(statement)
                self.take(statement)

    def condition(self, statement: If) -> None:
        """Follow the branch whose condition holds."""
        for test, body in statement.branches:
            holds = True if not test else self.holds(test[-1])
            if holds is None:
                self.scope.note(
                    statement.line, "a condition on what only a run knows; neither branch is read"
                )
                return
            if holds:
                self.follow(body)
                return

    def loop(self, loop: Loop) -> None:
        """Follow the first round of a list's loop; others hang on what only a run knows."""
        values = [field for word in loop.words for field in fields(word, self.scope)]
        if not loop.variable or not values or HOLE.search(values[0]):
            if any(isinstance(each, Command) and _sets(each) for each in loop.body):
                self.scope.note(loop.line, "a loop is not read")
            return
        if len(values) > 1:
            self.scope.note(
                loop.line, f"a loop over {len(values)} values of {loop.variable}: its first is read"
            )
        self.scope.set(loop.variable, values[0], appends=False)
        self.follow(loop.body)

    def case(self, statement: Case) -> None:
        """Follow the branch whose pattern a word has."""
        word = HOLE.sub("", text_of(statement.word, self.scope))
        for patterns, body in statement.branches:
            if any(fnmatch.fnmatchcase(word, text_of(each, self.scope)) for each in patterns):
                self.follow(body)
                return

    def command(self, command: Command) -> None:
        """Set what a command sets, or keep it among those that would run."""
        words = list(command.words)
        started: list[Text] = []
        while words and self.sets(words[0]):
            started += [
                Text(f"{name}={self.scope.values[name]}", command.line)
                for name in ENVIRONMENT
                if words[0].text.startswith(f"{name}=")
            ]
            words.pop(0)
        if not words:
            return
        name = words[0].text
        if name in DECLARES:
            for word in words[1:]:
                self.sets(word)
        elif name == "unset":
            for word in words[1:]:
                self.scope.values.pop(word.text, None)
        elif name in ("source", "."):
            path = " ".join(text_of(word, self.scope) for word in words[1:2])
            self.source(path, command.line)
        elif name == "read" and command.heredoc is not None:
            self.scope.set(words[-1].text, self.heredoc(command), appends=False)
        elif name in self.functions:
            self.call(name, words[1:])
        elif not PASSED_OVER.fullmatch(name) or (name == "cat" and command.heredoc):
            self.keep(command, words, started)

    def source(self, path: str, line: int) -> None:
        """Follow a sourced script, if it was given too."""
        name = path.rpartition("/")[2]
        if name in self.others:
            self.sourced.add(name)
            outer, self.scope.name = self.scope.name, name
            self.follow(statements(self.others[name], name))
            self.scope.name = outer
        else:
            self.scope.note(line, f"sources {path}, which is not read: give it too")

    def sets(self, word: Token) -> bool:
        """Set a variable or an array, if a word does."""
        if word.kind == "array":
            appends = word.text.endswith("+=")
            values = [field for each in word.elements for field in fields(each, self.scope)]
            self.scope.set(word.text.rstrip("+="), values, appends=appends)
            return True
        match = SETS.fullmatch(word.text)
        if match is None or match.group(2):
            return False
        name, _, sign, value = match.groups()
        text = (
            text_of(Token("word", value, word.line), self.scope) if value else Text("", word.line)
        )
        self.scope.set(name, text, appends=sign == "+=")
        return True

    def call(self, name: str, words: Sequence[Token]) -> None:
        """Follow a function with its arguments."""
        own = {key: self.scope.values.get(key) for key in ("@", *map(str, range(1, 10)))}
        given = [field for word in words for field in fields(word, self.scope)]
        self.scope.values["@"] = given
        self.scope.values |= {str(n): value for n, value in enumerate(given[:9], 1)}
        self.follow(self.functions[name])
        for key, value in own.items():
            self.scope.values.pop(key, None)
            if value is not None:
                self.scope.values[key] = value

    def heredoc(self, command: Command) -> Text:
        """Return the text that a command reads, its variables in place."""
        body = (command.heredoc or "").replace('"', '\\"')
        return text_of(Token("word", f'"{body}"', command.line + 1), self.scope)

    def keep(self, command: Command, words: Sequence[Token], started: Sequence[Text]) -> None:
        """Keep a command; what it hands to another shell is read as a script of its own.

        Args:
            command: as it stands in the script.
            words: of it, without the variables that are set for it.
            started: those of these variables that say how it is started.
        """
        found = [field for word in words for field in fields(word, self.scope)]
        if not found:
            return
        if found[0] == "eval":
            self.scope.note(
                command.line, "eval is not run; the words after it are read as they are"
            )
            words_of = (each for field in found[1:] for each in resplit(field))
            found = list(takewhile(lambda each: not REDIRECTS.match(each), words_of))
        if command.heredoc is not None and found[0] in SHELLS:
            self.inner(self.heredoc(command))
        for before, field in pairwise(found):
            if before == "-c" and " " in field.strip():
                self.inner(field)
                return
        kept = tuple(each for field in found for each in _inner_words(field))
        if any(each.startswith("-") or "=" in each for each in kept[1:]) or len(kept) > 2:
            self.commands.append(Ran((*kept, *started)))

    def inner(self, text: Text) -> None:
        """Follow a script that is a text of this one."""
        plain = text.replace(BREAK, "\\\n")
        self.depth += 1
        if self.depth > DEEPEST:
            raise RequestError(self.scope.name, "scripts hold each other too deep")
        self.follow(statements(plain, self.scope.name, text.line, counts=False))
        self.depth -= 1

    def holds(self, statement: Statement) -> bool | None:
        """Whether a condition holds; None where only a run knows."""
        if isinstance(statement, Joined):
            return self.joined_holds(statement)
        if isinstance(statement, Group) and statement.body:
            return self.holds(statement.body[-1])
        if not isinstance(statement, Command) or statement.words[0].text not in ("[", "[[", "test"):
            return None
        words = [word for word in statement.words[1:] if word.text not in ("]", "]]")]
        return _any_of(words, self.scope)

    def joined_holds(self, joined: Joined) -> bool | None:
        found = self.holds(joined.first)
        for sign, statement in joined.rest:
            if (sign == "||" and found) or (sign == "&&" and found is False):
                continue
            found = self.holds(statement)
        return found


def _is_bare_shell(command: Command) -> bool:
    """Whether a command is a shell that runs what it is given."""
    return command.words[0].text in SHELLS and all(
        word.text in ("-", "-s") for word in command.words[1:]
    )


def _sets(command: Command) -> bool:
    return command.words[0].kind == "array" or SETS.fullmatch(command.words[0].text) is not None


def resplit(field: Text) -> list[Text]:
    """Split a text at its blanks, each word with its line."""
    found, line = [], field.line
    for part in re.split(rf"([\s{BREAK}]+)", field):
        if part.strip(f" \t\n\r{BREAK}"):
            found.append(Text(part, line))
        line += part.count("\n") + part.count(BREAK)
    return found


def _inner_words(field: Text) -> list[Text]:
    """Split a field that holds a flag and its value, ``"--split 99,1,0"``, into both."""
    if field.startswith("--") and re.search(rf"[\s{BREAK}]", field):
        return resplit(field)
    return [Text(field.replace(BREAK, ""), field.line)]


def _any_of(words: Sequence[Token], scope: Scope) -> bool | None:
    """Whether a test holds whose parts have ``||`` between."""
    found: bool | None = False
    for part in _parted(words, ("||", "-o")):
        holds = _all_of(part, scope)
        if holds:
            return True
        found = None if holds is None else found
    return found


def _all_of(words: Sequence[Token], scope: Scope) -> bool | None:
    found: bool | None = True
    for part in _parted(words, ("&&", "-a")):
        holds = _test(part, scope)
        if holds is False:
            return False
        found = None if holds is None else found
    return found


def _parted(words: Sequence[Token], marks: Sequence[str]) -> list[list[Token]]:
    found: list[list[Token]] = [[]]
    for word in words:
        if word.text in marks:
            found.append([])
        elif word.text not in ("(", ")"):
            found[-1].append(word)
    return found


def _test(words: Sequence[Token], scope: Scope) -> bool | None:
    """Whether one comparison holds; a file is taken to be there."""
    if words and words[0].text == "!":
        holds = _test(words[1:], scope)
        return None if holds is None else not holds
    texts = [text_of(word, scope) for word in words]
    holes = [each for text in texts for each in HOLE.findall(text)]
    asks = any(word.text in ("$#", '"$#"', "$?") for word in words)
    if asks or any(each.startswith("(") and not each.startswith("((") for each in holes):
        return None  # what a command prints is not known; a variable that nobody sets is empty
    plain = [HOLE.sub("", text) for text in texts]
    if len(plain) == 1:
        return bool(plain[0])
    if len(plain) == 2:
        if plain[0] in ("-n", "-z"):
            return bool(plain[1]) == (plain[0] == "-n")
        return True if plain[0] in ("-f", "-d", "-e", "-r", "-x", "-s") else None
    return _compared(*plain) if len(plain) == 3 else None


def _compared(left: str, sign: str, right: str) -> bool | None:
    if sign in ("=", "==", "!="):
        return fnmatch.fnmatchcase(left, right) == (sign != "!=")
    if sign not in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
        return None
    if not all(re.fullmatch(r"-?\d{1,18}", each.strip()) for each in (left, right)):
        return False  # as a shell has it, of what is no number
    a, b = int(left), int(right)
    found = {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}
    return found[sign]
