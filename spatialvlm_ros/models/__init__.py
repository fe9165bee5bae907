"""The spatial VLM: one API for the shipped model, hub models and remote servers; quantity tokens, fusion, calibration."""
