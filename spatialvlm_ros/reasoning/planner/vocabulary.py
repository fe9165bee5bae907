"""Words that are not names of objects: what holds a question together, and what it asks for."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words("the a an this that these those my your our his her its their")
ARTICLES = _words("a an the")
JOINERS = _words(", and or & vs versus")

# Never part of a name, not even behind an article.
FUNCTION_WORDS = _words(
    "i you he she it we they me him us them who whom whose which what where when why how here there "
    "is are was were be been being am do does did done has have had having can could may might must shall should will "
    "would "
    "and or but nor if then than as so because whether while though although "
    "of to from in into on onto at by for with without within between among amongst amid from via through over under "
    "across along past around about near beside besides behind beyond below above against towards toward off out up "
    "upon inside outside per versus vs until "
    "not no never none neither either both each every any some all many much more most less least few fewer fewest "
    "several enough too very also just only even still yet again already always rather quite else otherwise instead "
    "that's what's where's who's it's there's is't isn't aren't don't doesn't can't won't i'm i'd i'll i've you're "
    "please thanks hello hi hey ok okay yes"
)

# Verbs of asking, placing and moving.
VERBS = _words(
    "tell say says said give show name names list find know see look looking looks work compute calculate count "
    "determine decide describe classify compare compared comparing explain estimate check guess answer call called "
    "put puts place places placed placing sort sorted sorting order ordered ordering rank ranked ranking arrange "
    "arranged arranging line lines lined "
    "stand stands standing sit sits sitting lie lies lying located situated positioned set sets rest rests resting "
    "stay stays keep keeps kept leave leaves leaving remain remains "
    "go goes going get gets getting come comes coming move moves moving walk walks walking travel travels travelling "
    "traveling drive drives driving run runs running pass passes passing cross crosses crossing visit visits visiting "
    "reach reaches reaching reachable reached touch touches touching grab grabs grasp grip pick take takes taking "
    "fetch bring make makes making made squeeze squeezes squeezed slide slides sliding slip slips push pushes fit fits "
    "fitting fitted enter "
    "start starts starting begin begins beginning end ends ending stop stops stopping sweep reading seen viewed "
    "viewing form forms formed forming join joins joined joining connect connects connected connecting draw drawing "
    "drawn span spans spanned build builds built "
    "stack stacked stacking stacks pile piled piling piles add adds adding added sum sums summed total totals exceed "
    "exceeds win wins cover covers covered covering need needs needed want wants require requires mount mounted "
    "mounting measure measures measured measuring separate separates separated divide divided divides stretch "
    "stretches extend extends mean means suppose imagine consider assuming given let let's allow allows like ask "
    "using use uses used having try happen lead leads apart belong meet meets"
)

# Nouns that stand for what is asked, not for an object.
NOUNS = _words(
    "one ones two three four five six thing things object objects item items pair pairs couple other others another "
    "rest neighbour neighbours neighbor neighbors everything anything something someone nothing "
    "distance distances gap gaps space spaces room passage opening clearance path paths way ways route routes trip "
    "journey tour walk detour height heights width widths size sizes length lengths breadth depth volume extent "
    "dimension dimensions order sequence ranking row series turn kind type sort sorts class triangle corner corners "
    "vertex vertices point points side sides edge edges middle centre center line lines stack pile tower sum total "
    "number count amount circle radius reach range arm arms arm's cable rope string hose cord lead wire thread robot "
    "robots vehicle cart trolley person metre metres meter meters centimetre centimetres centimeter centimeters cm mm "
    "m millimetres feet foot inches margin difference differences factor ratio multiple times quotient position "
    "positions location place spot direction relation respect reference comparison picture image photo scene view "
    "question answer left right front back top bottom left-hand right-hand eye eyes bit lot whole average "
    "tip edge surface bearing whereabouts"
)

# Adjectives and adverbs that compare or place; part of a name where a noun follows ("the tall lamp").
DESCRIBING = _words(
    "near close far nearer closer farther further nearest closest farthest furthest distant remote away apart "
    "tall high low short long wide narrow thin thick big large small great little tiny huge broad slim "
    "taller higher lower shorter longer wider narrower thinner thicker bigger larger smaller greater broader "
    "tallest highest lowest shortest longest widest narrowest thinnest thickest biggest largest smallest greatest "
    "broadest leftmost rightmost leftward rightward minimal maximal minimum maximum equal same different opposite "
    "first second third fourth last next following former latter increasing decreasing ascending descending "
    "free open empty clear available possible true straight direct directly exactly roughly approximately about "
    "altogether together overall combined relative absolute able equilateral isosceles scalene right-angled regular "
    "somewhere anywhere side-by-side halfway upright outwards inwards forward backward downwards upwards how "
    "horizontally vertically long-armed good sure certain actually really likely"
)

# Adjectives that may stand inside a name: "baby high chair".
PLAIN_ADJECTIVES = _words(
    "tall high low short long wide narrow thin thick big large small great little tiny huge broad slim open empty free "
    "straight round flat upright"
)
CUES = VERBS | NOUNS | DESCRIBING
OTHER_WORDS = FUNCTION_WORDS | CUES

# Nouns in front of "of" that make one name with what follows: "can of beer".
CONTAINERS = _words(
    "pair set can cup glass mug bottle box bowl bag jar piece roll stack pile plate bunch carton tin pot packet pack "
    "tube slice loaf bar basket bucket crate deck stick tub vase block sheet bundle heap chest pitcher jug"
)
# Nouns that are also auxiliaries or verbs: names unless what follows makes them verbs.
TWO_FACED = _words("can stand rest place watch set measure")
_PERSONS = _words("i you we it he she they") | DETERMINERS
_PLACING = _words(
    "between in on at within near next closest nearest farthest furthest taller closer nearer farther as behind not "
    "no how first left right"
)
# Behind the first nothing in the same clause is a verb in its base form; behind the second something is.
COPULAS = _words("is was are were isn't wasn't aren't weren't what's where's")
AUXILIARIES = _words("do does did don't doesn't can could may might must shall should will would won't can't let let's")
# What follows them when they are verbs.
VERB_FOLLOWS = {word: _PERSONS | (_PLACING if word in ("stand", "rest") else frozenset()) for word in TWO_FACED}
