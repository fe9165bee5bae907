"""The `spatialvlm` command: one module per subcommand."""
