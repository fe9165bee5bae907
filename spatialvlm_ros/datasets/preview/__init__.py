"""A page that shows a data set: pictures with boxes and frame, objects, questions, and what was counted."""
