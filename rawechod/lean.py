"""Imported before anything else: keeps the libraries from loading what this daemon has no use for.

That would be a third of its resident memory, and of its time to start.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

UNUSED = ("ssl", "_hashlib", "rich")
"""TLS, which asyncio takes along and structlog asyncio; OpenSSL's hashes; structlog's colours."""

# Plugins that other software installed for pydantic have no business here.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
# pydantic up to 2.10 checks at each start what it has made of our models itself, with a validator of 5 MB.
os.environ["PYDANTIC_SKIP_VALIDATING_CORE_SCHEMAS"] = "1"

# Each of these does without where there is none, and it is only they who look now.
_hidden = [name for name in UNUSED if name not in sys.modules]
sys.modules |= dict.fromkeys(_hidden)  # type: ignore[arg-type]
import_module("hmac")
import_module("structlog")
for name in _hidden:
    del sys.modules[name]
