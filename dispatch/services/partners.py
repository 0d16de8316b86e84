"""A partner's terms: read them, put them."""

from dispatch.storage.partners import Partner, put_partner, read_partner

__all__ = ["Partner", "put_partner", "read_partner"]
