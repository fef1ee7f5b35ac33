"""Records read from JSON files of this or another version, each refused in a sentence where it is another's."""

from __future__ import annotations

import msgspec

from emvsbayes.core.errors import InputError


class Format(msgspec.Struct):
    """What every result.json has, and other files may not."""

    format: int | None = None


def of_this_format[T](text: bytes | str, kind: type[T], wanted: int, what: str, command: str) -> T:
    """A record from the text of its result.json.

    The format is read by itself first: where an old file lacks a field, its format is what is wrong with it.

    Parameters
    ----------
    kind : the record type
    wanted : int
        The only format that is read.
    what, command : what it is, and the command that makes it, for the message

    Raises
    ------
    InputError
        Of another format, or something else.
    """
    try:
        found = msgspec.json.decode(text, type=Format).format
        if found not in (None, wanted):
            raise InputError(
                f"this is the result.json of {what} in format {found}, and this version reads format {wanted}; make it "
                f"again with `{command}`."
            )
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(
            f"this is not the result.json of {what}, format {wanted}: {error}; make it again with `{command}`."
        ) from None
