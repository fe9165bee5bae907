"""Chain of thought: a question in words is answered in steps, each a measurement, a location, a question or a sum."""
