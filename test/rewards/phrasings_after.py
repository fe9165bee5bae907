"""More of what people say to a robot, written after the rules.

At first sight 25 of 29 were understood, the others refused, and none of the 16 below was taken for a task. One rule was
added then ("go ahead and"); three of the 29 stay refused and stand at the end of `NOT_MEANT`.
"""

from __future__ import annotations

MEANT: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Pick the bottle of ketchup up, please.", "pick", {"target": "bottle of ketchup"}),
    ("I'd like you to pick up the yellow duck", "pick", {"target": "yellow duck"}),
    ("go ahead and pick up that wooden spoon", "pick", {"target": "wooden spoon"}),
    ("Lift the kettle", "pick", {"target": "kettle"}),
    ("get the coke can off the shelf", "pick", {"target": "coke can"}),
    ("reach the door handle", "reach", {"target": "door handle"}),
    ("bring your hand to the tomato", "reach", {"target": "tomato"}),
    ("approach the small green cube slowly", "reach", {"target": "small green cube"}),
    ("move your arm towards the orange juice carton", "reach", {"target": "orange juice carton"}),
    ("the robot should put the carrot in the sink", "place_in", {"target": "carrot", "container": "sink"}),
    ("throw the empty can into the trash", "place_in", {"target": "empty can", "container": "trash"}),
    ("Grab the marker and drop it in the cup", "place_in", {"target": "marker", "container": "cup"}),
    ("pick up the toy, then place it inside the box", "place_in", {"target": "toy", "container": "box"}),
    ("Now move the strawberry into the glass bowl", "place_in", {"target": "strawberry", "container": "glass bowl"}),
    ("put an egg in the carton", "place_in", {"target": "egg", "container": "carton"}),
    ("take the pen and put it into the pencil case", "place_in", {"target": "pen", "container": "pencil case"}),
    ("place the big, red mug on the coaster", "place_on", {"target": "big red mug", "support": "coaster"}),
    ("lay the knife on the cutting board", "place_on", {"target": "knife", "support": "cutting board"}),
    ("stack the cup upon the other cup", "place_on", {"target": "cup", "support": "other cup"}),
    ("pick up the bread and place it on top of the toaster", "place_on", {"target": "bread", "support": "toaster"}),
    ("shove the box against the wall", "push_to", {"target": "box", "goal": "wall"}),
    ("push the puck over to the blue marker", "push_to", {"target": "puck", "goal": "blue marker"}),
    ("Nudge the tray toward the plate.", "push_to", {"target": "tray", "goal": "plate"}),
    ("insert the usb stick in the laptop", "insert", {"target": "usb stick", "socket": "laptop"}),
    ("fit the round peg into the round hole", "insert", {"target": "round peg", "socket": "round hole"}),
    ("Take the key and insert it into the lock", "insert", {"target": "key", "socket": "lock"}),
)

NOT_MEANT: tuple[str, ...] = (
    "never touch the knife",
    "move the cup to the left",
    "put it in the bowl",
    "pick up everything",
    "put the apple in the bowl and the pear on the plate",
    "pick up the apple, then push the car to the wall",
    "close the microwave",
    "bring me the apple",
    "turn the knob",
    "lift the apple by 20 cm",
    "place the cup between the plates",
    "how far is the apple from the bowl?",
    "pick up the mug next to the plate",
    "I am hungry",
    "apple",
    "put the apple in the bowl or on the plate",
    "Can you grab me the stapler?",
    "remove nothing else, just pick the pear",
    "would you mind putting the book on the shelf?",
)
