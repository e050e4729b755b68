"""Imported before anything else: keeps the libraries from loading what this daemon has no use for.

That would be a third of its resident memory, and of its time to start. And until the loop looks after Ctrl-C, it
ends us as it ends any program, not with a traceback out of the middle of an import.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

_handler = signal.signal(signal.SIGINT, signal.SIG_DFL)

# TLS, which asyncio takes along and structlog asyncio; the hashes of its library; structlog's colours.
# Each of them does without where there is none.
UNUSED = ("ssl", "_hashlib", "rich")
_kept_out = [name for name in UNUSED if name not in sys.modules]
sys.modules |= dict.fromkeys(_kept_out)  # type: ignore[arg-type]

# Plugins that other software installed for pydantic have no business here.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
# pydantic up to 2.10 checks at each start what it has made of our models itself, with a validator of 5 MB.
os.environ["PYDANTIC_SKIP_VALIDATING_CORE_SCHEMAS"] = "1"


def end() -> None:
    """All imports are done: whoever asks for those libraries from here on gets them."""
    for name in _kept_out:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
    # What is there now stays: looking it through for garbage, once in a while, would hold the loop up for 10 ms.
    gc.freeze()
    signal.signal(signal.SIGINT, _handler)
