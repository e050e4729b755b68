"""rawechod: the Ethernet echo daemon."""

__version__ = "0.1.0"
