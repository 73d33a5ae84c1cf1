"""Accelerator names as people and drivers write them, resolved to a profile's short name.

A name is read as a family (``h100``), a form factor (``SXM5``) and a memory size (``80 GB``);
words that distinguish nothing (``NVIDIA``, ``GPUs``, ``HBM3``) are dropped. What a name says
must agree with the profile: ``V100 16GB`` is not the 32 GB part.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from computebill.base.errors import RequestError, shown

FILLERS = re.compile(
    "nvidia|amd|google|intel|huawei|amazon|aws|habana|tesla|geforce|radeon|instinct|cloud|"
    "gpus?|tensor|core|accelerators?|cards?|chips?|per|the|data|center|datacenter|graphics|"
    "volta|turing|ampere|hopper|lovelace|blackwell|grace|generation"
)
"""Words that distinguish no two profiles."""

MEMORY_KIND = re.compile(r"(hbm|gddr)\d*[ex]?")
MEMORY_SIZE = re.compile(r"(?<![a-z0-9.])(\d{2,3})[\s_-]*(?:gib|gb|g)(?![a-z0-9])")
FORMS = (
    # A digit that starts a longer number is a memory size, not a generation.
    (re.compile(r"(?<![a-z])pci[\s_-]*e(?:xpress)?(?:[\s_-]*(?:gen)?[\s_-]*\d(?!\d))?"), " pcie "),
    (re.compile(r"sxm(?:[\s_-]*\d(?!\d))?"), " sxm "),
    (re.compile(r"nvl(?!ink)[\s_-]*(\d+(?!\d*\s*g))?"), r" nvl\1 "),
    (re.compile(r"\b[hd]gx\b"), " sxm "),
)
FORM_WORD = re.compile(r"pcie|sxm|nvl\d*|oam")
NUMBERED = re.compile(r"(?P<count>\d[\d,]*)\s*[x×*]?\s+(?P<name>[A-Za-z].*)", re.I)
"""A number of accelerators before their name: ``256 x H100``."""
USUAL_GB = {"v100": 32}
"""Memory that a family means where a name gives none; its other sizes are as fast."""


@dataclass(frozen=True)
class NameParts:
    """What a name says.

    Attributes:
        family: the words that name the part, joined: ``h100``, ``rtx4090``, ``tpuv5p``.
        forms: form factors named: ``sxm``, ``pcie``, ``nvl``, ``nvl72``, ``oam``.
        sizes: memory sizes named, in GB.
    """

    family: str
    forms: frozenset[str]
    sizes: frozenset[int]


@dataclass(frozen=True)
class KnownName:
    """The names of one profile."""

    name: str
    title: str
    form_factor: str = ""
    memory_gb: float = 0.0
    aliases: tuple[str, ...] = ()

    @cached_property
    def spellings(self) -> frozenset[str]:
        """Every full name, in its compact form."""
        return frozenset(compact(text) for text in (self.name, self.title, *self.aliases))

    @cached_property
    def parts(self) -> tuple[NameParts, ...]:
        """Each full name, read."""
        return tuple(read_name(text) for text in (self.title, *self.aliases))

    @cached_property
    def forms(self) -> frozenset[str]:
        """Form factors this profile goes by."""
        own = read_name(self.form_factor).forms
        return own.union(*(part.forms for part in self.parts))

    @cached_property
    def sizes(self) -> frozenset[int]:
        """Memory sizes this profile goes by, in GB."""
        return frozenset({round(self.memory_gb)}).union(*(part.sizes for part in self.parts))

    def agrees(self, said: NameParts) -> bool:
        """Whether nothing in ``said`` contradicts this profile."""
        families = {part.family for part in self.parts}
        return said.family in families and said.forms <= self.forms and said.sizes <= self.sizes


def compact(text: str) -> str:
    """Return ``text`` in lower case with nothing but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKC", text).lower())


def read_name(text: str) -> NameParts:
    """Read a name into its parts."""
    low = unicodedata.normalize("NFKC", text).lower()
    for pattern, word in FORMS:
        low = pattern.sub(word, low)
    sizes = {int(size) for size in MEMORY_SIZE.findall(low)}
    family = ""
    forms = set()
    for word in re.findall(r"[a-z0-9]+", MEMORY_SIZE.sub(" ", low)):
        if FORM_WORD.fullmatch(word):
            forms.add(word)
        elif FILLERS.fullmatch(word) or MEMORY_KIND.fullmatch(word):
            continue
        elif re.fullmatch(r"\d{2,3}", word) and re.search(r"\d", family):
            sizes.add(int(word))  # "A100 80"
        else:
            family += word
    return NameParts(family, frozenset(forms), frozenset(sizes))


def resolve_name(text: str, known: Sequence[KnownName]) -> str:
    """Return the short name of the profile that ``text`` names.

    A family alone means its SXM part where there is just one (``h100``); ``a100`` has two. A
    ``v100`` is the 32 GB part.

    Raises:
        RequestError: where no profile or more than one fits, with the nearest names.
    """
    found = meant_by(text, known)
    usual = USUAL_GB.get(read_name(text).family)
    if len(found) > 1 and usual is not None:
        found = [item for item in found if usual in item.sizes] or found
    if len(found) > 1:
        modules = [item for item in found if "sxm" in item.forms]
        found = modules if len(modules) == 1 else found
    if len(found) == 1:
        return found[0].name
    if found:
        names = ", ".join(item.name for item in found)
        raise RequestError(
            "accelerator", f"{shown(text)} names more than one accelerator: {names}; say which"
        )
    raise RequestError(
        "accelerator",
        f"{shown(text)} is not a known accelerator; {_meant(text, known)}; "
        "`computebill hardware list` names all",
    )


def _meant(text: str, known: Sequence[KnownName]) -> str:
    """Return how a number beside a name, or several names, are given; else the nearest names."""
    numbered = NUMBERED.fullmatch(text.strip())
    if numbered and meant_by(numbered["name"], known):
        count = numbered["count"].replace(",", "")
        return f"give name and number apart: --accelerator {numbered['name']!r} --count {count}"
    listed = [each.strip() for each in text.split(",")]
    if len(listed) > 1 and all(meant_by(each, known) for each in listed):
        return f"give one, {listed[0]}; `computebill plan` compares several"
    return f"nearest: {', '.join(nearest_names(text, known))}"


def meant_by(text: str, known: Sequence[KnownName]) -> list[KnownName]:
    """Return all profiles that a name may mean; none where it means none."""
    spelled = [item for item in known if compact(text) in item.spellings]
    return spelled or _agreeing(text, known)


def _agreeing(text: str, known: Sequence[KnownName]) -> list[KnownName]:
    said = read_name(text)
    return [item for item in known if item.agrees(said)] if said.family else []


def nearest_names(text: str, known: Sequence[KnownName], count: int = 4) -> list[str]:
    """Return up to ``count`` short names, likest first: those of the family, then by spelling."""
    said = read_name(text)
    wanted = compact(text)[:60]

    def likeness(item: KnownName) -> float:
        family = any(part.family == said.family for part in item.parts)
        names = item.spellings | {part.family for part in item.parts}
        spelling = max(difflib.SequenceMatcher(None, wanted, name).ratio() for name in names)
        return family + spelling

    return [item.name for item in sorted(known, key=likeness, reverse=True)[:count]]
