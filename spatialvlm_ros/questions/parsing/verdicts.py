"""Phrases that agree, deny, hesitate or decline. Patterns run on `clauses.words_of`: lower case, one space between words."""

from __future__ import annotations

import re

YES, NO, UNCERTAIN = "yes", "no", "uncertain"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"(?<![\w'])(?:" + "|".join(patterns) + r")(?![\w'])")


_CANNOT = r"(?:can't|cannot|can not|couldn't|could not|cant|unable to|not able to|impossible to|isn't possible to|not possible to|not possible for me to|don't think i can)"
_ADVERBS = r"(?: (?:really|possibly|clearly|reliably|accurately|be|exactly|precisely|quite|even|just|confidently)){0,2}"
_SIGHT = (
    rf"{_CANNOT}{_ADVERBS} (?:see|find|locate|spot|identify|detect|make out|view|recogni[sz]e|seen|found|detected|located)",
    r"(?:don't|do not|didn't) (?:\w+ )?see",
    r"(?:not|isn't|aren't|n't) (?:\w+ )?(?:visible|in (?:the |this |that )?(?:image|picture|photo|frame|view|scene)|shown|present|pictured|depicted|in sight)",
    r"(?:there is|there's|there are|i see|it has|has) no (?:\w+ ){1,4}(?:in|here|visible|to be seen|on|at)",
    r"there (?:isn't|is not|aren't|are not) (?:a|an|any) (?:\w+ ){1,4}(?:in|here|visible)",
    r"(?:no|no such) (?:\w+ ){1,3}(?:visible|in (?:the |this )?(?:image|picture|photo|frame|view|scene))",
    r"no image|no picture|out of (?:the )?(?:view|frame|sight)|hidden|occluded",
)
_UNABLE = (
    r"as an? (?:ai|artificial|language|large|multimodal|vision)",
    rf"{_CANNOT}{_ADVERBS} (?:determined|determine|measured|measure|estimated|estimate|provide|assess|give|infer|compute|calculate|help|assist|answered|answer|inferred|known|judge distances|discern)",
    r"(?:not|n't|no|without|in ?sufficient|lacks?|lacking) (?:\w+ ){0,3}(?:information|context|detail|data|reference)",
    r"insufficient",
    r"(?:unknown|n / a|na|undetermined|indeterminate|indeterminable|unanswerable|not applicable|undefined|null|nan)",
    r"no (?:idea|clue)|(?:do not|don't|don t|didn't|dont|wouldn't|would not) know|dunno|idk|beats me|who knows",
    r"i'm sorry|i am sorry|i apologi[sz]e|my apologies|can't answer|cannot answer|pass",
)
_TELL = (
    rf"{_CANNOT}{_ADVERBS} (?:tell|say|decide|judge|be sure|be certain|know|be determined|be said|compare|distinguish)"
)
_CLOSE = (
    r"too close|close to call|(?:the |about the |roughly the |exactly the )?same|equal|equally|identical|aligned|level with|(?:is|are|be|it's|they're|nearly|almost|about|roughly|perfectly|exactly) level|(?:about|are|dead|pretty much) even|"
    r"(?:lined|line) up|in line|comparable|similar|indistinguishable|no (?:clear |visible |real |noticeable )?difference",
    r"neither|both|either|toss[ -]*up|a tie|tied|as (?:tall|wide|big|large|high|far|close|small) as each other|alike|straight ahead",
)
_DOUBT = (
    r"(?:hard|difficult|tough|tricky|not easy) to (?:\w+ )?(?:say|tell|judge|know|determine|decide|be|call|see|estimate|make out)",
    r"(?:not|n't) (?:\w+ )?(?:sure|certain|clear|confident|obvious)|unsure|uncertain|unclear|ambiguous|undecided|inconclusive|debatable",
    r"maybe|perhaps|possibly|might be|may be|could be|depends|borderline|not enough to tell|with confidence|for sure|for certain|who can say",
)
_REFUSES_SIGHT = _any(*_SIGHT)
_REFUSES = _any(*_UNABLE, rf"{_TELL}", r"impossible", r"no answer", r"not sure", r"undeterminable")
_TELL_WHICH = _any(rf"{_TELL} (?:which|whether|if|who|for|with|apart|the difference|definitively|so i|confidently)")
_HESITATES_CLOSE = _any(*_CLOSE)
_HESITATES = _any(*_CLOSE, *_DOUBT)

_IDIOM = (
    r"no (?:doubt|question|problem|idea|matter|wonder|need|worries|wait)|yes or no|yes / no|true or false|not sure|"
    r"not (?:\w+ )?(?:certain|clear)|(?:i'm|i am|pretty|for|quite|be) sure|for certain|no (?:clear|real|noticeable|visible)|no difference|the correct answer"
)
_NO_STRONG = (
    r"(?:definitely|certainly|absolutely|of course|clearly|probably|obviously|surely|i think|i guess|i believe|likely) not|"
    r"not (?:really|at all|so|true|correct|right|the case|quite|exactly|in the least|likely|particularly|that i can see)|"
    r"(?:don't|do not|dont) (?:think|believe)(?: so| that| it)?|wouldn't say so|would not say so|doubt (?:it|so|that)|by no means|no way|"
    r"(?:it|that|they|he|she|this|there) (?:is not|isn't|are not|aren't|does not|doesn't|do not|don't)(?= ?(?:$|[.,!;]))|"
    r"(?:doesn't|does not|don't|do not) (?:look|seem|appear)(?: like it| so| to be| that way)|"
    r"(?:that's|that is|this is|it's) (?:wrong|incorrect|false|untrue|not \w+)|(?:the |quite the )?opposite|other way (?:a)?round|vice versa|"
    r"no|nope|nah|nay|false|incorrect|negative|wrong|untrue|never|hardly|nein|n|unlikely|not so"
)
_YES_STRONG = (
    r"yes|yep|yeah|yup|yea|yah|ja|aye|true|correct|affirmative|y|ok|okay|that's (?:right|so|true|correct|it|the case)|that is (?:right|so|true|correct|the case)|"
    r"(?:i )?(?:think|believe|guess|suppose|say) so|you're right|you are right"
)
_YES_WEAK = (
    r"indeed|absolutely|certainly|definitely|sure|of course|exactly|precisely|totally|clearly|obviously|undoubtedly|without (?:a )?doubt|"
    r"(?:looks|seems|appears) (?:like it|so|that way|to be so)|(?:does|do|would) (?:look|seem|appear) (?:like it|so|that way)|"
    r"(?:it|that|they) (?:is|does|are|do|sure is)(?= ?(?:$|[.,!;]))|right(?= ,)|most likely|likely|probably|sure is|agreed|i agree"
)
_YES_OR_NO = re.compile(
    rf"(?<![\w'])(?:(?P<idiom>{_IDIOM})|(?P<no>{_NO_STRONG})|(?P<yes>{_YES_STRONG})|(?P<weak>{_YES_WEAK}))(?![\w'])"
)


def yes_or_no(words: str) -> tuple[str | None, bool]:
    """("yes", "no" or None, whether it is said outright) of the first word that agrees or denies."""
    for match in _YES_OR_NO.finditer(_REFUSES_SIGHT.sub(" ", words)):
        kind = match.lastgroup
        if kind == "no":
            return NO, True
        if kind == "yes":
            return YES, True
        if kind == "weak":
            return YES, False
    return None, False


def hesitates(words: str) -> bool:
    """Whether the words say that it is a tie, or that they cannot tell for lack of a difference."""
    return bool(_HESITATES.search(words) or _TELL_WHICH.search(words))


def declines(words: str) -> bool:
    """Whether the words refuse an answer: something cannot be seen, measured or known."""
    if _REFUSES_SIGHT.search(words):
        return True
    return bool(_REFUSES.search(words)) and not _HESITATES_CLOSE.search(words) and not _TELL_WHICH.search(words)


def declines_length(words: str) -> bool:
    """Like `declines` for a question about a length, where doubt alone is also no answer."""
    return declines(words) or hesitates(words)
