"""Why something cannot be written: by which errors a full disk shows, and how messages say so."""

from __future__ import annotations

import errno
from typing import Final

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def why_unwritten(error: OSError) -> str:
    """The reason, and for a full disk what to do; without a full stop."""
    return "the disk is full. Make room, and run again" if error.errno in FULL else str(error.strerror)
