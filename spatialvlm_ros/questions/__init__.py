"""Questions: the 43 families, their templates, rounding, ambiguity, generation; and the parser that reads answers back."""
