"""Which template a sentence means, and of which objects: "put the apple into the bowl" is place_in of apple and bowl.

A small grammar of English commands. A sentence that it does not understand to its last word is refused: a reward for
something else than what was said is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import MOST_WORDS
from spatialvlm_ros.rewards.task import ALWAYS_THERE


@dataclass(frozen=True)
class Meaning:
    """A template and the names of its objects."""

    template: str
    objects: Mapping[str, str]


EXAMPLES = (
    "'reach for the apple', 'pick up the apple', 'put the apple into the bowl', 'put the cup on the saucer', "
    "'push the car to the cube', 'insert the peg into the hole'"
)

_PICK = "pick up|pick|grab|grasp|grip|take hold of|get hold of|take|lift up|lift|raise|fetch|collect|seize|hold|get"
_PLACE = "pick and place|put|place|drop|set|lay|deposit|throw|toss|stow|store|move|transfer|stick|stack|rest|pop"
_PUSH = "push|slide|shove|nudge"
_INSERT = "insert|plug|slot|fit|peg"
_REACH = "reach out for|reach for|reach towards|reach to|reach|go over to|go to|move to|move towards|approach|touch"
_HAND = "gripper|hand|arm|fingers|end effector|end-effector|tool|robot arm|robot hand"
_TOWARDS = "(?:to|towards|toward)"
_DETERMINERS = "the|a|an|this|that|these|those|my|your|our|his|her|their|its|some"

_A_THING = rf"(?:(?:{_DETERMINERS}) )?(?P<{{}}>\S+(?: \S+)*?)"
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("reach", rf"(?:{_REACH}) {{target}}"),
    ("reach", rf"(?:move|bring|guide|drive) (?:(?:{_DETERMINERS}) )?(?:{_HAND}) (?:close )?{_TOWARDS} {{target}}"),
    ("pick", rf"(?:{_PICK}) {{target}}(?: up)?(?: (?:from|off|off of) {{source}})?"),
    ("insert", rf"(?:{_INSERT}) {{target}} (?:into|in|inside) {{socket}}"),
    ("place_in", rf"(?:{_PLACE}) {{target}} (?:down )?(?:into|in|inside of|inside|within) {{container}}"),
    ("place_on", rf"(?:{_PLACE}) {{target}} (?:down )?(?:on top of|onto|on to|on|upon|atop) {{support}}"),
    ("push_to", rf"(?:{_PUSH}) {{target}} (?:over )?(?:to|towards|toward|against|up to|next to) {{goal}}"),
)  # fmt: skip
_ROLES = ("target", "source", "socket", "container", "support", "goal")
_COMPILED = tuple(
    (template, re.compile(text.format(**{role: _A_THING.format(role) for role in _ROLES})))
    for template, text in _PATTERNS
)

# In a sequence of commands the later one must go on with what the earlier one began.
_RANK = {"reach": 0, "pick": 1, "place_in": 2, "place_on": 2, "push_to": 2, "insert": 2}

_VERBS = frozenset(f"{_PICK}|{_PLACE}|{_PUSH}|{_INSERT}|{_REACH}|bring|guide|drive".replace("|", " ").split()) - {
    "and", "up", "hold", "of", "over", "out", "for", "to", "towards",
}  # fmt: skip
_FIRST_WORDS = frozenset(
    verb.split()[0]
    for verbs in (_PICK, _PLACE, _PUSH, _INSERT, _REACH, "bring|guide|drive")
    for verb in verbs.split("|")
)
_PRONOUNS = frozenset("it them".split())
# Words that are no part of a name: with one of them the sentence says more than the grammar understands.
_NO_NAME = frozenset(
    "i me you he she we us him they it them one ones this that these those something anything everything nothing thing "
    "object and or but not no if when while until then because so where which who with without to into in inside onto "
    "on off from at by near over above below under behind beside between against through around towards toward next "
    "upon atop within out up down away back forward forwards here there cm mm m km inch inches metres meters metre "
    "meter centimetres centimeters degrees for is are be of-the twice times all every each both".split()
)
_NO_NAME |= frozenset(
    "unless before after during whenever once thrice upside halfway partway sideways today tomorrow tonight later soon "
    "upwards downwards leftwards rightwards backward backwards clockwise anticlockwise counterclockwise somewhere "
    "anywhere nowhere instead two three four five six seven eight nine ten dozen several many few most second third "
    "fourth fifth hour hours minute minutes seconds moment itself yourself themselves together apart".split()
)
# What compares a thing with another, says where it is, or with what it is taken.
_NO_NAME |= frozenset(
    "than rather as like unlike versus vs plus & + via per using use gripper grippers effector end-effector "
    "about across along alongside among amid around beneath underneath beside besides beyond except including "
    "excluding opposite outside past since throughout till touching containing covering facing located placed "
    "positioned held belonging surrounding".split()
)
# Places and manners: a name may hold them ("left mug", "high chair") but is not one of them, alone or at its head.
_NO_HEAD = frozenset(
    "left right front rear side sides edge corner middle center centre end ends top bottom half place spot position "
    "location direction way home north south east west other rest high higher low lower far farther further close "
    "closer still ready open closed shut alone too also fast faster slow slower hard harder straight upright first "
    "last bit little lot more less steady tight loose aloft overhead midair stable motionless flat clean dry leftmost "
    "rightmost topmost bottommost nearest closest nearer taller shorter bigger smaller larger wider narrower thicker "
    "thinner heavier longer max maximum min minimum".split()
)
_MANNERS = ("wise", "handed", "-high", "-deep", "-first")  # endings: clockwise, one-handed, chest-high
_AMOUNT = re.compile(r"\d+(?:[.,]\d+)?(?:mm|cm|dm|m|km|in|ft|s|ms|min|h|deg|°|%)?")  # 2, 10cm
_NOUNS_IN_LY = frozenset(
    "jelly butterfly dragonfly firefly fly lily doily belly holly assembly supply monopoly".split()
)
_NEGATIONS = frozenset("not no never don't dont do-not cannot can't mustn't avoid without stop".split())
_SAID_ANYWHERE = re.compile(
    r"\b(?:go ahead and|please|kindly|carefully|gently|slowly|quickly|immediately|just|now|again|for me|"
    r"as \w+ as (?:you can|possible)|thank you|thanks)\b"
)
_SAID_FIRST = re.compile(
    r"(?:hey|hi|hello|ok|okay|robot|panda|so|first|next|then|and|can you|could you|would you|will you|can we|let's|"
    r"let us|try to|i want you to|i need you to|i would like you to|i'd like you to|we want to|we need to|i want to|"
    r"your task is to|your job is to|the task is to|you should|you must|you have to|you need to|go and|"
    r"(?:the )?robot (?:should|must|has to|shall|needs to)|help me|help me to|to)\s+"
)
_OPENINGS = frozenset("hey hi hello ok okay robot panda".split())


def meaning_of(sentence: str) -> Meaning:
    """The template and the objects that a sentence means.

    Raises:
        ConfigError: it says something that no template does, or something that is not understood.
    """
    commands = list(_commands(sentence))
    if not commands:
        raise _refusal(sentence, "this sentence asks for nothing")
    meaning: Meaning | None = None
    for command in commands:
        meaning = _continued(meaning, _read(command, sentence), sentence)
    assert meaning is not None
    if meaning.objects["target"] in _PRONOUNS:
        raise _refusal(sentence, "this sentence does not say what 'it' is")
    return meaning


def _refusal(sentence: str, fault: str) -> ConfigError:
    return ConfigError(fault, sentence, f"Write for example {EXAMPLES}, or a task in YAML.")


def _commands(sentence: str) -> Iterator[str]:
    """The commands of a sentence, each without what is said only for politeness."""
    text = _SAID_ANYWHERE.sub(" ", sentence.lower().replace("\u2019", "'").replace("do not", "don't"))
    kept: list[str] = []
    for part in re.split(r"[,;:!?]|\.(?!\d)|\bthen\b", text):
        for piece in _split_at_verbs(" ".join(word.strip("\"'`()[]") for word in part.split())):
            command = _without_opening(piece)
            if not command or command in _OPENINGS:
                continue
            if kept and command.split()[0] not in _VERBS | _NEGATIONS:
                kept[-1] += f" {command}"  # "the big, red mug"
            else:
                kept.append(command)
    yield from kept


def _split_at_verbs(text: str) -> list[str]:
    """The parts of "A and B" where B begins with a verb; "pick and place" is one verb."""
    pieces = [""]
    words = text.split()
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        of_one_verb = index > 0 and words[index - 1] == "pick" and following == "place"
        if word == "and" and following in _VERBS and not of_one_verb:
            pieces.append("")
        else:
            pieces[-1] += f" {word}"
    return [piece.strip() for piece in pieces]


def _without_opening(text: str) -> str:
    while True:
        shorter = _SAID_FIRST.sub("", text, count=1) if _SAID_FIRST.match(text) else text
        if shorter == text:
            return text
        text = shorter


def _read(command: str, sentence: str) -> Meaning:
    """The meaning of one command."""
    words = command.split()
    if _NEGATIONS & set(words):
        raise _refusal(sentence, "this sentence says what not to do")
    for template, pattern in _COMPILED:
        match = pattern.fullmatch(command)
        if match is None:
            continue
        found = {role: name for role, name in match.groupdict().items() if name is not None}
        if all(_is_name(name, role) for role, name in found.items()):
            found.pop("source", None)
            return Meaning(template, found)
    if words[0] not in _FIRST_WORDS:
        raise _refusal(sentence, f"no template begins with {words[0]!r}")
    raise _refusal(sentence, "this sentence is not understood as a task of one object, or of one object and its goal")


def _is_name(name: str, role: str) -> bool:
    words = name.split()
    if role == "target" and name in _PRONOUNS:
        return True
    heads = {words[-1], name.partition(" of ")[0].split()[-1]}
    strange = bool(_NO_NAME.intersection(words)) or bool(heads & _NO_HEAD) or any(map(_is_manner, heads))
    strange = strange or any("/" in word or _AMOUNT.fullmatch(word) for word in words) or _says_two(words)
    return not strange and name not in ALWAYS_THERE and len(words) <= MOST_WORDS and words[-1] != "of"


def _says_two(words: Sequence[str]) -> bool:
    """Whether another thing begins within a name: "cup the bowl", but not "lid of the jar"."""
    determiners = _DETERMINERS.split("|")
    return any(word in determiners and before != "of" for before, word in zip(["", *words], words, strict=False))


def _is_manner(word: str) -> bool:
    return word.endswith(_MANNERS) or (word.endswith("ly") and word not in _NOUNS_IN_LY)


def _continued(before: Meaning | None, after: Meaning, sentence: str) -> Meaning:
    """Two commands as one: "pick up the apple and put it into the bowl"."""
    if before is None:
        return after
    same = after.objects["target"] in (*_PRONOUNS, before.objects["target"])
    if not same or _RANK[after.template] <= _RANK[before.template]:
        raise _refusal(sentence, "this sentence asks for more than one task")
    return Meaning(after.template, {**after.objects, "target": before.objects["target"]})
