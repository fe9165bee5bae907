"""Phrases that agree, deny, hesitate or decline.

Each line of a list is one pattern. They run on `clauses.words_of` (lower case, one space between words and marks),
begin and end at whole words, and repeat nothing without a small limit, so that searching stays linear in the text.
"""

from __future__ import annotations

import re

YES, NO, UNCERTAIN = "yes", "no", "uncertain"

_PARTS = {
    "CANNOT": (
        "(?:can't|cannot|can not|couldn't|could not|cant|unable to|not able to|impossible to|"
        "(?:isn't|not) possible (?:for me )?to|don't think i can)"
        "(?: (?:really|possibly|clearly|reliably|accurately|be|exactly|precisely|quite|even|just|confidently)){0,2}"
    ),
    "PICTURE": "(?:the |this |that )?(?:image|picture|photo|frame|view|scene)",
    "ENDS": r"(?= ?(?:$|[.,!;]))",
}


def _lines(text: str) -> str:
    """One alternative a line, with the named parts filled in."""
    for name, part in _PARTS.items():
        text = text.replace(name, part)
    return "|".join(line.strip() for line in text.strip().splitlines())


def _compile(patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{patterns})(?![\w'])")


_UNSEEN = _lines(
    r"""
    CANNOT (?:see|find|locate|spot|identify|detect|make out|view|recogni[sz]e|seen|found|detected|located)
    (?:don't|do not|didn't) (?:\w+ )?see
    (?:not|isn't|aren't) (?:\w+ )?(?:visible|in PICTURE|shown|present|pictured|depicted|in sight)
    (?:there is|there's|there are|i see|it has|has) no (?:\w+ ){1,4}(?:in|here|visible|to be seen|on|at)
    there (?:isn't|is not|aren't|are not) (?:a|an|any) (?:\w+ ){1,4}(?:in|here|visible)
    (?:no|no such) (?:\w+ ){1,3}(?:visible|in PICTURE)
    no image
    no picture
    out of (?:the )?(?:view|frame|sight)
    hidden
    occluded
    """
)
_UNKNOWN = _lines(
    r"""
    as an? (?:ai|artificial|language|large|multimodal|vision)
    CANNOT (?:determined?|measured?|estimated?|provide|assess|give|inferr?(?:ed)?|compute|calculate|discern)
    CANNOT (?:help|assist|answer(?:ed)?|known?|judge distances)
    (?:not|doesn't|don't|isn't|no|without|lacks?|lacking) (?:\w+ ){0,3}(?:information|context|detail|data|reference)
    insufficient
    unknown
    n / a
    na
    undetermined
    undeterminable
    indeterminate
    indeterminable
    unanswerable
    not applicable
    undefined
    null
    nan
    no (?:idea|clue|answer)
    (?:do not|don't|didn't|dont|wouldn't|would not) know
    dunno
    idk
    beats me
    who knows
    i'm sorry
    i am sorry
    i apologi[sz]e
    my apologies
    can't answer
    cannot answer
    pass
    impossible
    not sure
    """
)
_CANNOT_TELL = _lines(
    "CANNOT (?:tell|say|decide|judge|be sure|be certain|know|be determined|be said|compare|distinguish)"
)
_CANNOT_TELL_WHICH = (
    f"(?:{_CANNOT_TELL}) (?:which|whether|if|who|for|with|apart|the difference|definitively|confidently)"
)
_TIE = _lines(
    r"""
    too close
    close to call
    same
    equal
    equally
    identical
    aligned
    level with
    (?:is|are|be|it's|they're|nearly|almost|about|roughly|perfectly|exactly) level
    (?:about|are|dead|pretty much) even
    (?:lined|line) up
    in line
    comparable
    similar
    indistinguishable
    no (?:clear |visible |real |noticeable )?difference
    neither
    both
    either
    toss[ -]{0,3}up
    a tie
    tied
    as (?:tall|wide|big|large|high|far|close|small) as each other
    alike
    straight ahead
    """
)
_DOUBT = _lines(
    r"""
    (?:hard|difficult|tough|tricky|not easy) to (?:\w+ )?(?:say|tell|judge|know|determine|decide|be|call|see|estimate)
    (?:hard|difficult|tough|tricky|not easy) to (?:\w+ )?make out
    (?:not|isn't|aren't) (?:\w+ )?(?:sure|certain|clear|confident|obvious)
    unsure
    uncertain
    unclear
    ambiguous
    undecided
    inconclusive
    debatable
    maybe
    perhaps
    possibly
    yes and no
    might be
    may be
    could be
    depends
    borderline
    with confidence
    for sure
    for certain
    who can say
    """
)
# Contain a word that elsewhere agrees or denies, and do neither.
_IDIOM = _lines(
    r"""
    no (?:doubt|question|problem|idea|matter|wonder|need|worries|wait)
    yes or no
    yes / no
    true or false
    yes and no
    not (?:\w+ )?(?:sure|certain|clear)
    (?:i'm|i am|pretty|for|quite|be) sure
    for certain
    no (?:clear|real|noticeable|visible)
    no difference
    the correct answer
    """
)
_DENIES = _lines(
    r"""
    (?:definitely|certainly|absolutely|of course|clearly|probably|obviously|surely|i think|i guess|i believe|likely) not
    (?:afraid|rather|guess) not
    not (?:really|at all|so|true|correct|right|the case|quite|exactly|in the least|likely|particularly|that i can see)
    (?:don't|do not|dont) (?:think|believe)(?: so| that| it)?
    wouldn't say so
    would not say so
    doubt (?:it|so|that)
    by no means
    no way
    (?:it|that|they|he|she|this|there) (?:is not|isn't|are not|aren't|does not|doesn't|do not|don't)ENDS
    (?:doesn't|does not|don't|do not) (?:look|seem|appear)(?: like it| so| to be| that way)
    (?:that's|that is|this is|it's) (?:wrong|incorrect|false|untrue|not \w+)
    (?:the |quite the )?opposite
    other way a?round
    vice versa
    no{1,5}
    nope
    nah
    nay
    n
    false
    incorrect
    negative
    wrong
    untrue
    never
    hardly
    unlikely
    """
)
_AGREES = _lines(
    r"""
    yes{1,5}
    yep
    yeah
    yup
    yea
    yah
    y
    true
    correct
    affirmative
    aye
    ok
    okay
    that's (?:right|so|true|correct|it|the case)
    that is (?:right|so|true|correct|the case)
    (?:think|believe|guess|suppose|say) so
    you're right
    you are right
    """
)
# Agree unless the sentence says otherwise ("indeed" goes with any statement).
_AGREES_WEAKLY = _lines(
    r"""
    indeed
    absolutely
    certainly
    definitely
    sure
    of course
    exactly
    precisely
    totally
    clearly
    obviously
    undoubtedly
    without (?:a )?doubt
    (?:looks|seems|appears) (?:like it|so|that way|to be so)
    (?:does|do|would) (?:look|seem|appear) (?:like it|so|that way)
    (?:it|that|they) (?:is|does|are|do|sure is)ENDS
    right(?= ,)
    most likely
    likely
    probably
    sure is
    agreed
    i agree
    """
)
_REFUSES_SIGHT = _compile(_UNSEEN)
_REFUSES = _compile(f"{_UNKNOWN}|{_CANNOT_TELL}")
_HESITATES = _compile(f"{_TIE}|{_DOUBT}|{_CANNOT_TELL_WHICH}")
_TIES = _compile(f"{_TIE}|{_CANNOT_TELL_WHICH}")
_YES_OR_NO = _compile(
    f"(?P<idiom>{_IDIOM})|(?P<no>{_DENIES})|(?P<yes>{_AGREES})|(?P<weak>{_AGREES_WEAKLY})",
)


def yes_or_no(words: str) -> tuple[str | None, bool]:
    """("yes", "no" or None, whether it is said outright) of the first word that agrees or denies."""
    for match in _YES_OR_NO.finditer(_REFUSES_SIGHT.sub(" ", words)):
        kind = match.lastgroup
        if kind != "idiom":
            return (NO if kind == "no" else YES), kind != "weak"
    return None, False


def hesitates(words: str) -> bool:
    """Whether the words say that it is a tie, or that they cannot tell for lack of a difference."""
    return bool(_HESITATES.search(words))


def declines(words: str) -> bool:
    """Whether the words refuse an answer: something cannot be seen, measured or known. A tie is no refusal."""
    if _REFUSES_SIGHT.search(words):
        return True
    return bool(_REFUSES.search(words)) and not _TIES.search(words)


def declines_length(words: str) -> bool:
    """Like `declines` for a question about a length, where doubt alone is also no answer."""
    return declines(words) or hesitates(words)
