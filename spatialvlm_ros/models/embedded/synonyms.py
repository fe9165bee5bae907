"""Other words for the kinds of objects that a model was trained on.

A model of this size knows a noun by the few words that it was trained with. Somebody who says "fridge" means what it
learnt as "refrigerator", and gets an answer about that. Only words that mean the same, or what people call so,
stand here; whether the thing is there the picture tells.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

# Noun -> other words for it.
_OTHER_WORDS: Mapping[str, str] = {
    "air conditioner": "ac unit, aircon",
    "aquarium": "fish tank",
    "backpack": "rucksack, knapsack, schoolbag",
    "banknote": "bank note",
    "bicycle": "bike",
    "bookcase": "bookshelf",
    "bouquet": "flowers, bunch of flowers",
    "box": "bin, parcel, package",
    "briefcase": "attache case",
    "broom": "besom",
    "cabinet": "cupboard",
    "ceiling lamp": "ceiling light",
    "clothes rack": "coat rack, clothes rail",
    "coffee maker": "coffee machine, espresso machine",
    "computer mouse": "mouse",
    "curtain": "drape, drapes",
    "cutting board": "chopping board",
    "eggplant": "aubergine",
    "game controller": "gamepad, joystick",
    "glass": "tumbler",
    "handbag": "purse",
    "jug": "pitcher",
    "kitchen scale": "kitchen scales",
    "laundry basket": "hamper, laundry hamper",
    "mailbox": "letterbox",
    "milk carton": "carton of milk",
    "motorcycle": "motorbike",
    "pair of binoculars": "binoculars",
    "pair of glasses": "eyeglasses, spectacles",
    "pair of headphones": "headphones",
    "pair of scissors": "scissors",
    "pair of shoes": "shoes",
    "pair of sunglasses": "sunglasses",
    "pan": "skillet",
    "paper towel": "kitchen roll, paper towels",
    "pen": "ballpoint, biro",
    "pen holder": "pencil holder",
    "phone": "cellphone, smartphone, telephone",
    "picture frame": "photo frame",
    "plant": "houseplant",
    "plate": "saucer",
    "pot": "saucepan",
    "pouf": "ottoman, footstool",
    "range hood": "extractor hood, cooker hood",
    "recycling bin": "recycle bin",
    "refrigerator": "fridge",
    "remote control": "remote, tv remote",
    "robot arm": "robotic arm, manipulator",
    "rug": "carpet",
    "screwdriver": "screw driver",
    "set of keys": "keys, bunch of keys",
    "set of playing cards": "playing cards, deck of cards",
    "shelf": "shelves, shelving unit",
    "shovel": "spade",
    "sink": "washbasin, wash basin",
    "soap": "bar of soap",
    "sofa": "couch, settee",
    "speaker": "loudspeaker",
    "steak": "beefsteak",
    "stroller": "pram, pushchair, baby carriage",
    "tape": "roll of tape",
    "teddy bear": "teddy",
    "television": "tv, tv set, television set",
    "toilet paper": "toilet roll",
    "toy airplane": "toy plane, toy aeroplane",
    "trash can": "trash bin, garbage bin, rubbish bin, waste bin, wastebasket, dustbin, trashcan",
    "wardrobe": "closet",
    "watch": "wristwatch",
    "water cooler": "water dispenser",
    "whiteboard": "white board",
}

# What may stand before such a word and leave its meaning: a toy mouse is no computer mouse, and a soap bin no box.
PLAIN_ATTRIBUTES = frozenset(
    "black white grey gray red green blue yellow orange purple pink brown beige silver golden dark light bright "
    "colorful colourful transparent big small large little tiny huge tall short long round square flat thin thick "
    "old new my your our his her left right upper lower middle nearer further farther higher closer open closed "
    "empty full plastic wooden metal metallic cardboard and".split()
)


def synonyms_of(nouns: Collection[str]) -> dict[str, str]:
    """Other word -> noun, for the nouns of a model. A word that is a noun of the model itself means that."""
    known = frozenset(nouns)
    pairs = ((word, noun) for noun, words in _OTHER_WORDS.items() if noun in known for word in words.split(", "))
    return {word: noun for word, noun in pairs if word not in known}
