"""Which measurement a question in words asks for: the question wordings of the 43 families, read backwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.query import Query, checked_object
from spatialvlm_ros.questions.families import FAMILIES, Family
from spatialvlm_ros.questions.grammar import PLURAL_OF_VERB, NameForm, clean_label
from spatialvlm_ros.questions.templates import Template, load_templates

_ENDS = " .?!"
# A name neither starts nor ends with a word that joins two names or parts of one.
_JOINING = "of|with|and|than|from|to"
_IN_UNITS = re.compile(
    r",? in (?:m|cm|mm|(?:centi|milli)?met(?:re|er)s?|inches|feet|yards)$", re.IGNORECASE
)  # answers name their unit whichever is asked for


def _not_behind(words: str, after: str = "") -> str:
    return "".join(rf"(?<! {word}{after})" for word in words.split())


_NAME = rf"(?!(?:{_JOINING}) )[^.?!]+?{_not_behind('of nearer closer further farther next')}"
_NO_NAME_ENDS = _not_behind("of on in at by with from to and near", " ")  # before the article of the next name


@dataclass(frozen=True)
class _Wording:
    """One question wording: what a text must contain, and the pattern that finds the names."""

    family: Family
    literals: tuple[str, ...]
    letters: int
    source: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return _compiled(self.source)


@lru_cache(maxsize=2048)
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)


@dataclass(frozen=True)
class ReadQuestion:
    """A question of one of the 43 families.

    Attributes:
        family: which tells what sort of answer is wanted.
        query: what is to be measured. A question which of two objects it is, or which of two words, becomes the
            predicate of the first object.
    """

    family: Family
    query: Query


def read_question(text: str) -> Query | None:
    """The measurement that a question asks for, or None where it is none of the 43 families."""
    try:
        read = read_family_question(text)
    except QueryError:
        return None
    return None if read is None else read.query


def read_family_question(text: str) -> ReadQuestion | None:
    """What a question asks for, or None where it is none of the 43 families. The unit that it asks for is not read.

    Raises:
        QueryError: it is one of them, but cannot be asked of these objects (the size of the camera).
    """
    plain = " ".join(text.split()).strip(_ENDS)
    without_unit = _IN_UNITS.sub("", plain)
    read = _read(without_unit)
    return _read(plain) if read is None and without_unit != plain else read


def _read(plain: str) -> ReadQuestion | None:
    lowered = plain.lower()
    best: tuple[int, int, ReadQuestion] | None = None
    fault: QueryError | None = None
    for wording in _wordings():
        if best is not None and wording.letters < best[0] or not all(part in lowered for part in wording.literals):
            continue
        match = wording.pattern.fullmatch(plain)
        names = None if match is None else _names(match)
        if match is None or names is None:
            continue
        try:
            query = Query(names["a"], names.get("b"), wording.family.relation)
        except QueryError as error:
            fault = fault or error
            continue
        fewest = -sum(len(name) for name in match.groups())  # where letters are equal, the shorter names
        if best is None or (wording.letters, fewest) > best[:2]:
            best = (wording.letters, fewest, ReadQuestion(wording.family, query))
    if best is None and fault is not None:
        raise fault
    return None if best is None else best[2]


def _names(match: re.Match[str]) -> dict[str, str] | None:
    """Role -> name, or None where a text is too long for a name."""
    names = {role: clean_label(name) for role, name in match.groupdict().items()}
    try:
        for name in names.values():
            checked_object(name)
    except QueryError:
        return None
    return names


@lru_cache(maxsize=1)
def _wordings() -> tuple[_Wording, ...]:
    """All wordings, those with the most letters first."""
    templates = load_templates()
    found = [_wording(FAMILIES[name], t) for name, entry in templates.items() for t in entry.questions]
    return tuple(sorted(found, key=lambda w: -w.letters))


def _wording(family: Family, template: Template) -> _Wording:
    pieces = [*template.pieces[:-1], template.pieces[-1].rstrip(_ENDS)]
    source, seen = re.escape(pieces[0]), set[str]()
    for slot, piece in zip(template.slots, pieces[1:], strict=True):
        name = f"(?P={slot.role})" if slot.role in seen else f"(?P<{slot.role}>{_NAME})"
        beside = bool(seen) and source.endswith(r"\ ") and pieces[len(seen)] == " "  # of another name
        seen.add(slot.role)
        source += _named(slot.form or NameForm(), name, beside) + re.escape(piece)
    literals = tuple(p.strip(" ").lower() for p in pieces if p.strip(" "))
    return _Wording(family, literals, sum(map(len, literals)), source)


def _named(form: NameForm, name: str, needs_article: bool) -> str:
    """A name with its verbs and article; right after another name only the article tells where it starts."""
    before, after = (f"(?:{v}|{PLURAL_OF_VERB.get(v, v)})" if v else "" for v in (form.before, form.after))
    article = "(?:the |an? )?" if form.article else ""
    if needs_article:
        article = "(?:the |an? |(?=(?:my|your|his|her|our|their|its|this|that|these|those) ))"
        article = _NO_NAME_ENDS + article
    return (f"{before} " if before else "") + article + name + (f" {after}" if after else "")
