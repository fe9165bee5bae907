"""What people say to a robot, with the template and the objects that are meant; written before there were any rules."""

from __future__ import annotations

MEANT: tuple[tuple[str, str, dict[str, str]], ...] = (
    # the three of the paper
    ("pick the orange tea bottle", "pick", {"target": "orange tea bottle"}),
    ("put the apple into the bowl", "place_in", {"target": "apple", "container": "bowl"}),
    ("pick up the apple", "pick", {"target": "apple"}),
    # pick
    ("Please pick up the red mug.", "pick", {"target": "red mug"}),
    ("grab the screwdriver", "pick", {"target": "screwdriver"}),
    ("Could you lift the blue box for me?", "pick", {"target": "blue box"}),
    ("take the banana", "pick", {"target": "banana"}),
    ("pick the sponge up", "pick", {"target": "sponge"}),
    ("pick up the apple from the table", "pick", {"target": "apple"}),
    ("grasp the handle-less cup", "pick", {"target": "handle-less cup"}),
    # reach
    ("reach for the apple", "reach", {"target": "apple"}),
    ("move the gripper to the green bottle", "reach", {"target": "green bottle"}),
    ("go to the red mug", "reach", {"target": "red mug"}),
    ("touch the cereal box", "reach", {"target": "cereal box"}),
    # place in
    ("place the lemon in the pot", "place_in", {"target": "lemon", "container": "pot"}),
    ("drop the ball into the blue bin", "place_in", {"target": "ball", "container": "blue bin"}),
    ("Pick up the apple and put it in the bowl.", "place_in", {"target": "apple", "container": "bowl"}),
    ("robot, put my keys inside the drawer please", "place_in", {"target": "keys", "container": "drawer"}),
    # place on
    ("put the cup on the saucer", "place_on", {"target": "cup", "support": "saucer"}),
    ("stack the red block on top of the blue block", "place_on", {"target": "red block", "support": "blue block"}),
    ("set the plate onto the tray", "place_on", {"target": "plate", "support": "tray"}),
    # push to
    ("push the toy car to the red cube", "push_to", {"target": "toy car", "goal": "red cube"}),
    ("slide the book towards the lamp", "push_to", {"target": "book", "goal": "lamp"}),
    # insert
    ("insert the peg into the hole", "insert", {"target": "peg", "socket": "hole"}),
    ("plug the charger into the socket", "insert", {"target": "charger", "socket": "socket"}),
)

# No template says this: nothing may be guessed.
NOT_MEANT: tuple[str, ...] = (
    "don't pick up the apple",
    "open the drawer",
    "pour water into the glass",
    "take the apple out of the bowl",
    "pick it up",
    "put the apple",
    "wipe the table",
    "what is on the table?",
    "pick up the apple and the banana",
    "",
    "fold the towel",
    "put the cup next to the plate",
)
