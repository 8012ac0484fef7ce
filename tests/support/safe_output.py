"""What may reach a terminal, a log or a page: no name of a file can steer, forge or hide anything there."""

import unicodedata

# Marks that reorder, join, break or hide what stands around them: bidi controls, zero-width characters, separators of
# lines. They are spelt as numbers so that this file can be read.
BIDI = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
ZERO_WIDTH = {0x200B, 0x200C, 0x200D, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xFEFF}
SEPARATORS = {0x2028, 0x2029}
DECEPTIVE = BIDI | ZERO_WIDTH | SEPARATORS


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) == "Cc" or ord(character) in DECEPTIVE


def assert_safe(output: bytes, what: str) -> None:
    """UTF-8, and of all control and deceptive characters the newline alone."""
    try:
        text = output.decode("utf-8")
    except UnicodeDecodeError as error:
        near = output[max(0, error.start - 40) : error.end + 40]
        raise AssertionError(f"{what} is not UTF-8: {error} near {near!r}") from error
    for at, character in enumerate(text):
        if character != "\n" and _is_unsafe(character):
            near = text[max(0, at - 40) : at + 40]
            raise AssertionError(f"{what} holds a raw U+{ord(character):04X}: {near!r}")


def escaped(name: bytes) -> str:
    """A name as every output but JSON shows it."""
    shown = ""
    for character in name.decode("utf-8", "surrogateescape"):
        code = ord(character)
        if character == "\\":
            shown += "\\\\"
        elif 0xDC80 <= code <= 0xDCFF:
            shown += f"\\x{code - 0xDC00:02x}"
        elif _is_unsafe(character):
            shown += f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
        else:
            shown += character
    return shown
