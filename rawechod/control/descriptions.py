"""The texts of the Varlink interfaces that the daemon serves."""

from __future__ import annotations

from functools import cache
from importlib import resources

from rawechod.control.varlink import INTERFACE, SERVICE

SERVICE_DESCRIPTION = """\
# The Varlink service interface, provided by every Varlink service
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)

error MethodNotFound (method: string)

error MethodNotImplemented (method: string)

error InvalidParameter (parameter: string)

error PermissionDenied ()

error ExpectedMore ()
"""


@cache
def descriptions() -> dict[str, str]:
    """Each interface's, by its name."""
    contract = resources.files(__package__).joinpath(f"{INTERFACE}.varlink").read_text()
    return {SERVICE: SERVICE_DESCRIPTION, INTERFACE: contract}
