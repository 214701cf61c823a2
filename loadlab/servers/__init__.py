"""FAMILY of server modes: how Python serves HTTP."""

from loadlab.registry import Family
from loadlab.servers.base import Server, Site

SERVERS = Family("loadlab.servers", Server, "server mode")

__all__ = ["SERVERS", "Server", "Site"]
