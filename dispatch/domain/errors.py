"""What can go wrong, in the domain's words. One table in the API maps these to problems."""

from collections.abc import Sequence
from typing import ClassVar


class DispatchError(Exception):
    """Base of every error that has a clear answer. ``str(error)`` is a sentence for people, without secrets."""

    code: ClassVar[str] = "error"


class InvalidInput(DispatchError):
    """Well-formed but not valid; each error is a JSON pointer and a sentence."""

    code = "invalid_input"

    def __init__(self, errors: Sequence[tuple[str, str]], *, code: str | None = None) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in errors))
        self.errors = tuple(errors)
        self.specific_code = code


class StoreNotFound(DispatchError):
    code = "store_not_found"


class PartnerNotFound(DispatchError):
    code = "partner_not_found"


class ImportNotFound(DispatchError):
    code = "import_not_found"


class StoreOfOtherPartner(DispatchError):
    code = "store_of_other_partner"


class SnapshotTooOld(DispatchError):
    code = "snapshot_too_old"


class TooManyClosures(DispatchError):
    """The store has as many closures as one may have."""

    code = "too_many_closures"


class ImportRunning(DispatchError):
    code = "import_running"


class CannotBeUndone(DispatchError):
    code = "cannot_be_undone"


class CannotBeApplied(DispatchError):
    """The file of a dry run cannot be applied: it was none, or what it names has changed since."""

    code = "cannot_be_applied"


class ImportStillRuns(DispatchError):
    """Asked for what comes of an import that has not come to its end."""

    code = "still_running"


class ChangesNotKept(DispatchError):
    """What an import has changed is not known any more."""

    code = "changes_not_kept"


class ReplicaBehind(DispatchError):
    """The replica has not seen the asked version in time."""

    code = "replica_behind"


class ReplicaNotReady(DispatchError):
    """The replica is not loaded yet, or cannot follow: it must not answer, lest it looks like "no stock"."""

    code = "replica_not_ready"


class Busy(DispatchError):
    """Others held what a write was to change, each time it was tried; nothing was written."""

    code = "busy"


class OutcomeUnknown(DispatchError):
    """A write was sent, and nobody has said what became of it; the same write again tells."""

    code = "outcome_unknown"


class UnknownToken(DispatchError):
    """A token that was never given out, or not with this secret."""

    code = "unknown_token"


class TokenExpired(DispatchError):
    code = "token_expired"


class NotForThisToken(DispatchError):
    """Whoever sends this token may not do that."""

    code = "not_for_this_token"


class ForeignOrigin(DispatchError):
    """A page of another origin asks for what it has no token for."""

    code = "foreign_origin"


class LinkLeft(DispatchError):
    """The order is no longer at the attempt that the courier's link is for, or was called off."""

    code = "link_left"


class DatabaseUnavailable(DispatchError):
    code = "database_unavailable"


class OrderNotFound(DispatchError):
    code = "order_not_found"


class NoStore(DispatchError):
    """The order is at no store, so that there is nobody to bring it."""

    code = "no_store"


class NoRoute(DispatchError):
    """Roads are known here, and none leads from the one place to the other."""

    code = "no_route"


class OrderIdReused(DispatchError):
    """There is an order of this id, and it was another request."""

    code = "order_id_reused"


class OrderIdAmbiguous(DispatchError):
    """Two orders have this id: two first requests at the same moment, to places far apart."""

    code = "order_id_ambiguous"


class PriceChanged(DispatchError):
    """Stores could fulfil the order, but each asks more for a line than it may cost."""

    code = "price_changed"


class NoStoreCanFulfil(DispatchError):
    """No store can, by the books as they were after the request came. ``refusal`` is what a quote says of it."""

    code = "no_store_can_fulfil"

    def __init__(self, refusal: object, *, moving: bool = False) -> None:
        super().__init__(
            "no other store can take this order now; reason and nearest_miss say why, and it stays where it is"
            if moving
            else "no store can fulfil this order now; reason and nearest_miss say why, and the id stays free"
        )
        self.refusal = refusal
