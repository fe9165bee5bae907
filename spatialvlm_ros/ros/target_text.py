"""The object that a sentence sends the robot to: "could you go to the red mug, please?" names "red mug".

A small grammar of English commands, in word lists. What it does not know it refuses: a robot that guesses drives off.
"""

from __future__ import annotations

import itertools
import re

from spatialvlm_ros.errors import ConfigError

Words = list[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DETERMINERS = _words("the a an that this these those my your our his her its their some any")
_PRONOUNS = _words(
    "it them him me you us they he she i we there here one ones something anything everything nothing somewhere "
    "anywhere thing things object objects"
)
# Said before the verb.
_COURTESY = _words(
    "please kindly now next first then and but so just ok okay hey hello hi robot panda try let's let us can could "
    "would will you i we i'd we'd should must has have to your task is do slowly quickly carefully gently want need "
    "like"
)
_NEGATIONS = _words("not no never don't dont can't cannot mustn't shouldn't avoid without")
# A verb of going wants a preposition or an article before the object: "go home" names nothing.
_GOING = _words(
    "go move drive navigate walk come head travel return fly run ride hover stand stop wait park turn rotate look "
    "point search lead guide position place align steer proceed advance put hand face watch touch press track pass "
    "push pull lift show give roll select hold"
)
_TAKING = _words(
    "pick grab get fetch bring take grasp grip reach approach find locate follow visit inspect collect where where's"
)
_VERBS = _GOING | _TAKING
_PREPOSITIONS = _words(
    "to towards toward near above over beside by into onto at behind around for before in on with under below "
    "alongside against past inside after from within beyond"
)
# Between the verb and the object, prepositions apart.
_ON_THE_WAY = _words(
    "up back down out off straight close closer nearer next slowly quickly carefully gently forward forwards right "
    "left directly me us yourself along all way as possible of now please where is are"
)
_BODY = _words("gripper hand arm tool fingers finger base end-effector effector robot")
_PARTS = _words("top side edge middle center centre front back left right bottom")
# After the object: where it is, how to go there, and what to do then.
_AFTER = _PREPOSITIONS | _words(
    "please thanks thank now slowly quickly carefully gently immediately again there here up down away back next "
    "between through that which who where when if as until then without instead but not rather because so is are or "
    "off first right"
)
_ADJECTIVES_TOO = _words("right back left front first next")
_NO_NAMES = _words(
    "stop halt wait go home help yes reset what how why who when does is are thanks please hello hi hey ok okay"
)
# Words that a bare name does not have.
_SENTENCE = _NEGATIONS | _words("away is are was were has have should must shall")
_RELATIVE = _words("that which who where")
_MOST_WORDS = 6

_MEASURE = re.compile(
    r"\b(?:about |around |exactly |roughly )?(?:\d+(?:[.,]\d+)?|half an?|an?|one|two|three|four|five|ten|twenty)\s?"
    r"(?:mm|cm|m|millimet(?:er|re)s?|centimet(?:er|re)s?|met(?:er|re)s?|feet|inch(?:es)?)\b"
)
_ASIDE = re.compile(r"\bas \w+ as (?:you can|possible)\b|\bit(?:'s| is) time to\b|^\W*the robot (?=should|must|has to)")


def target_of(sentence: str) -> str:
    """The object that a command or a bare name means, in lower case and without its article.

    Raises:
        ConfigError: no object is named, or two are; only what to keep away from is said; or the verb is not known.
    """
    clauses = _clauses(sentence)
    for clause in clauses:
        name = _object_of_command(clause, sentence)
        if name:
            return name
    if len(clauses) == 1 and _may_be_a_name(clauses[0]):
        name = _name(clauses[0], sentence)
        if name:
            return name
    raise ConfigError(
        "this sentence does not say which object to go to", sentence, "Write 'go to the red mug', or only 'red mug'."
    )


def _clauses(sentence: str) -> list[Words]:
    """Commands that are joined by commas, "and" or "then"; each without what is said only for politeness."""
    text = _ASIDE.sub(" ", _MEASURE.sub(" ", sentence.lower().replace("\u2019", "'")))
    clauses: list[Words] = []
    for part in re.split(r"[,;:!?]|\.(?!\d)", text):
        words = [w for w in (w.strip("\"'`*()[]-") for w in part.split()) if w]
        for piece in map(_without_courtesy, _split_at_verbs(words)):
            if piece and clauses and _goes_on(piece):
                clauses[-1] += piece  # "the big, red mug"
            elif piece:
                clauses.append(piece)
    polite = [c for c in clauses if not _COURTESY.issuperset(c)]
    return polite or clauses  # a "can" alone is a thing


def _without_courtesy(words: Words) -> Words:
    start = 0
    while start < len(words) and words[start] in _COURTESY:
        start += 1
    # Some of these words also begin names: "can of beer", "robot arm".
    rest = words[start:]
    return rest if rest and rest[0] in _VERBS | _NEGATIONS | _DETERMINERS else words


def _split_at_verbs(words: Words) -> list[Words]:
    pieces: list[Words] = [[]]
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        joins = word in ("then", "but") or (word == "and" and following in _VERBS | _COURTESY | _NEGATIONS)
        if joins:
            pieces.append([])
        else:
            pieces[-1].append(word)
    return pieces


def _goes_on(words: Words) -> bool:
    return words[0] not in _VERBS | _DETERMINERS | _NEGATIONS | _PRONOUNS | _COURTESY | _AFTER


def _may_be_a_name(words: Words) -> bool:
    main = list(itertools.takewhile(lambda word: word not in _RELATIVE, words))
    return words[0] not in _TAKING and _SENTENCE.isdisjoint(main)


def _object_of_command(words: Words, sentence: str) -> str:
    """The name in a clause of verb and object; "" where it is none, or says what not to do."""
    if words[0] not in _VERBS or _NEGATIONS.intersection(words[:3]) or "away" in words[:4]:
        return ""
    going, rest = words[0] in _GOING, words[1:]
    if going and rest[:1] == ["from"] and "to" in rest:
        rest = rest[rest.index("to") :]
    rest = _without_body(rest)
    start = 0
    while start < len(rest) and rest[start] in _PREPOSITIONS | _ON_THE_WAY:
        start += 1
    directed = not _PREPOSITIONS.isdisjoint(rest[:start]) or not _DETERMINERS.isdisjoint(rest[start : start + 1])
    return _name(rest[start:], sentence) if directed or not going else ""


def _without_body(words: Words) -> Words:
    """Without what is moved when it is the robot: "move your gripper to ..."."""
    start = 1 if words and words[0] in _DETERMINERS else 0
    end = start
    while end < len(words) and words[end] in _BODY:
        end += 1
    return words[end:] if start < end < len(words) else words


def _name(words: Words, sentence: str) -> str:
    """The noun phrase at the beginning, without article; "" where there is none."""
    words = _without_parts(words)
    if words and words[0] in _DETERMINERS:
        words = words[1:]
    end = 0
    while end < len(words) and not _ends_a_name(words, end):
        end += 1
    name, after = words[:end], words[end : end + 2]
    strange = not _PRONOUNS.isdisjoint(name) or not _DETERMINERS.isdisjoint(name)
    if not name or name[0] in _NO_NAMES or strange or len(name) > _MOST_WORDS:
        return ""
    if after and after[0] in ("and", "or"):
        raise ConfigError("this sentence names two objects", sentence, "Name the one to go to.")
    return " ".join(name)


def _ends_a_name(words: Words, index: int) -> bool:
    word, following = words[index], words[index + 1 : index + 2]
    if word in ("and", "or"):
        return bool(following) and following[0] in _DETERMINERS | _PRONOUNS
    return word in _AFTER and not (index == 0 and word in _ADJECTIVES_TOO)


def _without_parts(words: Words) -> Words:
    """The whole instead of a part of it: "the left side of the table" is about the table."""
    start = end = 1 if words and words[0] in _DETERMINERS else 0
    while end < len(words) and words[end] in _PARTS:
        end += 1
    return words[end + 1 :] if start < end < len(words) and words[end] == "of" else words
