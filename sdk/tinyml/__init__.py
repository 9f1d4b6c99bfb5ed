"""tinyml: from words or pictures to a flashed microcontroller."""

__version__ = "0.1.0"
