"""The spatial VLM: one API for the shipped model, hub models and servers; quantity tokens, fusion, calibration."""
