"""Questions: the 43 families, their wordings, rounding, ambiguity, generation, and the parser of answers."""
