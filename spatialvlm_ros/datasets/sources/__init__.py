"""Recorded sources: pictures, RGB-D folders, stereo pairs, recordings."""
