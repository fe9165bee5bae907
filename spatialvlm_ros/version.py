"""The one place in Python that knows the version (package.xml and setup.py are held to it by a test)."""

__version__ = "0.1.0"
