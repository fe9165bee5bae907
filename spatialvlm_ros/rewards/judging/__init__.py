"""How good rewards from pictures are, over simulated episodes whose truth is known."""
