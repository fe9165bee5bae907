"""Where the rewards that are checked come from: one module for each kind of source."""
