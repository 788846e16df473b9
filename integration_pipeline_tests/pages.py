"""Pages and plots as tests look at them: parsed, and so shown to be well-formed."""

from xml.etree import ElementTree as ET


def parsed(text: str) -> ET.Element:
    """The root element. Everything the program writes is HTML and XML at once."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own


def words_of(element: ET.Element) -> str:
    """All that can be read in it."""
    return " ".join(" ".join(element.itertext()).split())
