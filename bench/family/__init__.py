"""Everything else a VAE can do: one file, or one folder, a member, each found by itself.

A module of this folder that has a `MEMBER` is a member, and nothing else names it: a thirteenth touches one file.
"""

from __future__ import annotations

from ..found import found
from .member import Member

MEMBERS: dict[str, Member] = found(__name__, __path__, "MEMBER", Member)
"""By the name of its module, in alphabetical order."""

__all__ = ["MEMBERS", "Member"]
