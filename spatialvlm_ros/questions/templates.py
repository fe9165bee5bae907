"""Question and answer wordings: read from a data file that people edit, checked, and cut into pieces for filling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from spatialvlm_ros.errors import TemplateError
from spatialvlm_ros.questions.families import FAMILIES, Family, Kind
from spatialvlm_ros.questions.grammar import (
    AFTER_PREPOSITION,
    SENTENCE_START,
    VERB_AFTER,
    VERB_BEFORE,
    NameForm,
)

DEFAULT_TEMPLATES = Path(__file__).parent / "data" / "templates.yaml"

VALUE = "value"  # the slot of a number
_SLOT = re.compile(r"\{([^{}]*)\}")
_ARTICLES = {"": "the", "an": "a", "name": ""}
_SLOT_NAME = re.compile(r"(?:(an|name)_)?(a|b|win|lose)")


@dataclass(frozen=True)
class Slot:
    """A place to fill.

    Attributes:
        role: "a", "b", "win", "lose" or "value".
        form: how a name is written there; None for a value.
        capital: whether a value starts a sentence there ("Half a meter.").
    """

    role: str
    form: NameForm | None = None
    capital: bool = False

    def write(self, text: str) -> str:
        """A cleaned label or the text of a value, as it stands at this place."""
        if self.form is not None:
            return self.form.write(text)
        return text[:1].upper() + text[1:] if self.capital else text


@dataclass(frozen=True)
class Template:
    """One wording, cut at its slots: ``pieces[0] slots[0] pieces[1] slots[1] ... pieces[-1]``.

    Attributes:
        id: stable name, e.g. ``"distance.q07"``.
        text: as written in the data file.
    """

    id: str
    text: str
    pieces: tuple[str, ...]
    slots: tuple[Slot, ...]

    @property
    def roles(self) -> frozenset[str]:
        """The roles that occur."""
        return frozenset(s.role for s in self.slots)

    @property
    def words(self) -> int:
        """Words outside the slots, how short it is."""
        return len(re.findall(r"[\w']+", _SLOT.sub(" ", self.text)))

    def fill(self, **roles: str) -> str:
        """The sentence, from cleaned labels and the text of a value: ``fill(a="mug", b="bowl", value="20 cm")``."""
        out = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            if slot.role not in roles:
                raise TemplateError(f"nothing given for the slot {slot.role!r} of {self.id}", roles, "Pass it.")
            out += [slot.write(roles[slot.role]), piece]
        return "".join(out)


@dataclass(frozen=True)
class FamilyTemplates:
    """The wordings of one family.

    Attributes:
        questions: all questions in the order of the file.
        answers: case -> answers; see `answer_cases`.
        evaluation: ids reserved for evaluation.
    """

    family: Family
    questions: tuple[Template, ...]
    answers: Mapping[str, tuple[Template, ...]]
    evaluation: frozenset[str]


def answer_cases(family: Family) -> tuple[str, ...]:
    """The cases an answer of this family may have, in a fixed order.

    The first is the case of a positive value, the second (if it exists) of a negative one; "uncertain" and "zero"
    come last. Lengths that are never zero or never negative may leave those cases out of the file.
    """
    if family.kind is Kind.PREDICATE:
        return ("affirm", "deny", "uncertain")
    if family.kind is Kind.CHOICE:
        return ("name", "uncertain")
    if family.kind is Kind.CLASSIFY:
        return (*family.words, "uncertain")
    return ("positive", "negative", "zero") if family.signed else ("positive", "zero")


@lru_cache(maxsize=4)
def load_templates(path: Path | str = DEFAULT_TEMPLATES) -> Mapping[str, FamilyTemplates]:
    """Read and check a template file: family name -> its wordings, all 43 families.

    Raises:
        TemplateError: a family, case, slot or id is missing, unknown or twice there; the message names it.
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise TemplateError("the template file cannot be read", str(path), "Check the path.") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"the template file {path} is not valid YAML", str(error), "Mend that line.") from error
    return parse_templates(data)


def parse_templates(data: object) -> Mapping[str, FamilyTemplates]:
    """Check the parsed content of a template file; see `load_templates`."""
    if not isinstance(data, dict) or set(data) != set(FAMILIES):
        names = set(data) if isinstance(data, dict) else set()
        raise TemplateError(
            "a template file needs exactly the 43 families",
            {"missing": sorted(set(FAMILIES) - names), "unknown": sorted(map(str, names - set(FAMILIES)))},
            "Add or rename these entries.",
        )
    return {name: _family_templates(FAMILIES[name], data[name]) for name in FAMILIES}


def _family_templates(family: Family, data: object) -> FamilyTemplates:
    if not isinstance(data, dict) or set(data) != {"questions", "answers", "evaluation"}:
        raise TemplateError(
            f"{family.name} needs questions, answers and evaluation",
            sorted(map(str, data)) if isinstance(data, dict) else data,
            "See the head of the template file.",
        )
    needed = frozenset("ab"[: family.objects])
    questions = _templates(family, "questions", data["questions"])
    for template in questions:
        _check_roles(template, needed, needed)
    cases = answer_cases(family)
    optional = {"zero"}
    answers_data = data["answers"]
    if not isinstance(answers_data, dict) or not set(cases) - optional <= set(answers_data) <= set(cases):
        raise TemplateError(f"{family.name} needs the answer cases {cases}", list(answers_data or ()), "Name them so.")
    answers = {case: _templates(family, case, answers_data[case]) for case in cases if case in answers_data}
    for case, templates in answers.items():
        least, most = _answer_roles(family, case, needed)
        for template in templates:
            _check_roles(template, least, most)
    everything = [*questions, *(t for group in answers.values() for t in group)]
    ids = [t.id for t in everything]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise TemplateError("template ids are used twice", twice, "Give the newer one a new id.")
    evaluation = frozenset(f"{family.name}.{i}" for i in data["evaluation"] or ())
    if not evaluation <= set(ids):
        raise TemplateError("unknown ids are reserved for evaluation", sorted(evaluation - set(ids)), "Remove them.")
    for group in (questions, *answers.values()):
        reserved = sum(t.id in evaluation for t in group)
        if not 0 < reserved < len(group):
            raise TemplateError(
                "each list needs wordings for training and for evaluation", [t.id for t in group], "Reserve some."
            )
    return FamilyTemplates(family, questions, answers, evaluation)


def _answer_roles(family: Family, case: str, objects: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The roles an answer must have and may have."""
    if family.kind is Kind.CHOICE and case == "name":
        return frozenset({"win"}), frozenset({"win", "lose"})
    if family.kind is Kind.NUMBER and case != "zero":
        return frozenset({VALUE}), objects | {VALUE}
    return frozenset(), objects


def _check_roles(template: Template, least: frozenset[str], most: frozenset[str]) -> None:
    if not least <= template.roles <= most:
        raise TemplateError(
            f"{template.id} has the wrong slots",
            template.text,
            f"It needs {sorted(least)} and may have {sorted(most)}.",
        )


def _templates(family: Family, what: str, data: object) -> tuple[Template, ...]:
    if not isinstance(data, dict) or not data:
        raise TemplateError(f"{family.name}: {what} must be a list of 'id: text' lines", data, "Add some.")
    templates = tuple(compile_template(f"{family.name}.{key}", text) for key, text in data.items())
    texts = [t.text for t in templates]
    twice = sorted({t for t in texts if texts.count(t) > 1})
    if twice:
        raise TemplateError(f"{family.name}: the same wording occurs twice", twice, "Remove one.")
    return templates


def compile_template(template_id: str, text: object) -> Template:
    """Cut a wording at its slots and find out how each name is to be written there."""
    if not isinstance(text, str) or not text.strip():
        raise TemplateError(f"{template_id} is not a text", text, "Write it in quotes.")
    parts = _SLOT.split(text)  # literal, slot, literal, slot, ..., literal
    pieces, slots = list(parts[0::2]), parts[1::2]
    if any("{" in p or "}" in p for p in pieces):
        raise TemplateError(f"{template_id} has an unpaired brace", text, "Slots look like {a}.")
    compiled = []
    for k, name in enumerate(slots):
        if name == VALUE:
            compiled.append(Slot(VALUE, capital=_starts_sentence(pieces, k)))
            continue
        match = _SLOT_NAME.fullmatch(name)
        if match is None:
            raise TemplateError(f"{template_id} has an unknown slot", name, "See the head of the template file.")
        compiled.append(Slot(match[2], _name_form(pieces, slots, k, _ARTICLES[match[1] or ""])))
    return Template(template_id, text, tuple(pieces), tuple(compiled))


def _name_form(pieces: list[str], slots: list[str], k: int, article: str) -> NameForm:
    """The form of the name between pieces k and k + 1; takes verbs that agree with it out of the pieces."""
    before = after = ""
    if verb := VERB_BEFORE.search(pieces[k]):
        before = verb[1].lower()
        pieces[k] = pieces[k][: verb.start()]
    elif not AFTER_PREPOSITION.search(pieces[k]) and (verb := VERB_AFTER.search(pieces[k + 1])):
        rest = pieces[k + 1][verb.end() :]
        another_name_follows = not rest.strip() and k + 1 < len(slots) and slots[k + 1] != VALUE
        if not another_name_follows:  # in "how far behind {b} is {a}" the verb belongs to {a}
            after = verb[1]
            pieces[k + 1] = rest
    return NameForm(article, _starts_sentence(pieces, k), before, after)


def _starts_sentence(pieces: list[str], k: int) -> bool:
    """Whether what follows piece k starts a sentence; an empty piece between two slots does not."""
    return bool(SENTENCE_START.search(pieces[k])) and (k == 0 or pieces[k] != "")
