"""Asset pack, procedural scenes and robot episodes in MuJoCo, with exact truth."""
