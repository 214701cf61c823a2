"""The code of loadlab's own scenarios by the bytes of their files, for runs that recorded the bytes only.

All versions of a file that are listed with the same code send the same requests. The table is complete, because newer
runs record the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BYTES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    # burst
    "d687132760000d33": (
        "f4661f2562028cbc",
        "c576d968e7a2430b",
        "20e932c8903164df",
        "3c22854efe81efba",
        "5e25edc326739b92",
        "556f714ee171733e",
    ),
    # mixed
    "9affabcfd4e6178f": ("9e2db12f454f6ee5", "4663bb529f16846b", "ba00893c42f48d83"),
    # multi_database
    "da7fa19064c17e7e": ("8d1ca26b431bce59", "9a50673343cea30d"),
    # no_database
    "0c7be96d5d18d7e2": ("470dded283a75d74", "0080027915a1093e", "476c601094e570a7"),
    # read_one
    "fb0391d077aa6b9c": ("4bb0bf6238b1ebfd", "68b7e9735f4a140d"),
    # read_write
    "73ab06fd706b08a8": ("175a09c4330bfd09", "1bf55c201c86d78f"),
    # reconnecting_clients
    "a47ff426a57f1720": ("06cdd02c23c5933d", "43d5933b88ed1f93", "60c0679df8439075"),
    # slow_query
    "ca9f003888976d31": ("07d3d6a9462f68e3", "db8d102b7503078f"),
    # steps
    "383ac3450df1a43b": ("ed0af837e28cee8e", "49888077e88d0482"),
    # think_time
    "c63835b95a390f73": ("2384f34f82335f91", "60cb528af7f614a0", "98ec3750cb30bfc9"),
}

CODE_OF: Final[Mapping[str, str]] = {
    f"sha256 {content}": f"sha256 {code}" for code, versions in _BYTES_OF.items() for content in versions
}
