"""The rules of docs/reference/ledger.md, and the code without each of them."""

from math import inf

from app.admission import escrows
from app.admission.escrows import Escrows
from app.quota import effective, escrow
from app.quota.effective import EffectiveUsage
from app.quota.escrow import Holding
from app.quota.ledger import Ledger
from app.quota.members import NONE
from tests.unit import quota_broken as broken
from tests.unit.quota_replica import Replica, SharedLedger

Rule = tuple[object, str, object]

WITHOUT: dict[str, list[Rule]] = {
    "what is stored is reserved as well": [
        (Ledger, "reserve", broken.reserve_only_what_is_missing)
    ],
    "a retry may be a second request": [(Ledger, "reserve", broken.reserve_anew)],
    "only what nobody else claims is proof": [(Ledger, "settle", broken.settle_member_by_member)],
    "a later claim takes the proof away": [(Ledger, "_share", lambda *_: None)],
    "what was claimed before is no proof": [(Ledger, "_index", lambda _: {})],
    "removed members are relied on by nobody": [
        (effective, "_new_and_unsure", lambda *given: (broken.NEW_AND_UNSURE(*given)[0], 0)),
    ],
    "reserved images are freed by nobody": [
        (EffectiveUsage, "_frees_image", lambda self, pair: self._usage.has_image(*pair)),
        (EffectiveUsage, "_frees", lambda self, *pair: self._usage.has_image(*pair)),
    ],
    "reserved tags are freed by nobody": [
        (EffectiveUsage, "_frees_tag", lambda self, pair: self._usage.has_tag(*pair)),
    ],
    "an image is freed by the last stream that has it": [
        (EffectiveUsage, "_frees", lambda self, *pair: self._frees_image(pair)),
    ],
    "a missing stream's members count once it is made": [
        (EffectiveUsage, "_make", lambda *_: None)
    ],
    "whoever makes a stream asks for what is reserved in it": [
        (EffectiveUsage, "_unmade_tags", lambda *_: 0),
        (EffectiveUsage, "_unmade_images", lambda *_: set()),
    ],
    "who decides has seen the floor": [(Ledger, "covered_by", lambda *_: True)],
    "a ledger stays until all have seen its floor": [
        (Ledger, "is_spent", lambda self, *_: not self)
    ],
    "a reservation lasts as long as its request": [(Ledger, "settle", broken.settle_early)],
    "everybody else counts an escrow": [(Ledger, "places", 0)],
    "an escrow counts in every stream": [
        (EffectiveUsage, "counts_of", broken.counts_of_without_places),
    ],
    "an escrow may make any stream": [(EffectiveUsage, "_exists", EffectiveUsage._is_known)],
    "no update frees what an escrow may hold": [
        (
            EffectiveUsage,
            "_frees",
            lambda self, *pair: broken.free_of_escrow(self, broken.FREES, *pair),
        ),
        (
            EffectiveUsage,
            "_frees_image",
            lambda self, pair: broken.free_of_escrow(self, broken.FREES_IMAGE, pair),
        ),
        (
            EffectiveUsage,
            "_frees_tag",
            lambda self, pair: broken.free_of_escrow(self, broken.FREES_TAG, pair),
        ),
    ],
    "an escrow has so many places": [(Holding, "admits", broken.fits_however_much)],
    "an escrow is used until it ends": [
        (Holding, "admits", broken.fits_at_any_time),
        (escrows, "renew_at", lambda _: inf),
    ],
    "an escrow is used under its limits": [(Holding, "admits", broken.fits_under_any_limits)],
    "what removes something is decided on the ledger": [
        (Holding, "admits", broken.fits_whatever_it_removes),
    ],
    "what others have reserved uses a place as well": [
        (Holding, "admit", broken.use_places_for_what_nobody_has_reserved),
    ],
    "after a write of unknown outcome nothing is admitted": [
        (Escrows, "doubt", broken.written_in_spite_of_doubt),
    ],
    "what a write of unknown outcome has named is not named again": [
        (Escrows, "held_in", broken.held_in_any_ledger),
    ],
    "a ledger is written with compare-and-swap": [(SharedLedger, "is_latest", lambda *_: True)],
    "the version before refuses what it cannot read": [
        (Replica, "may_read", lambda *_: True),
    ],
    "a claim makes a proof uncertain again": [(Ledger, "_share", broken.share_and_stay_seen)],
    "until a write has arrived, the places before it count": [
        (Holding, "_most", property(lambda self: self.escrow.places)),
    ],
    "until a write has arrived, the places after it count": [
        (Holding, "_most", property(broken.places_before)),
    ],
    "what was admitted while a write did not arrive is named": [
        (Holding, "take_back", lambda *_: None),
    ],
    "what has left a stream makes no room in it": [(Holding, "_gone", lambda *_: NONE)],
    "what has left a stream is claimed anew": [
        (Holding, "effective", broken.effective_as_if_nothing_had_left),
    ],
    "until a write has arrived, what left before it makes no room": [
        (Holding, "_gone", broken.gone_since_the_last_write),
    ],
    "who claims again is decided on the ledger": [
        (Holding, "has_admitted", lambda *_: False),
    ],
    "an escrow is lost by every clock": [(escrow, "take", broken.take_that_is_lost_at_its_end)],
    "an escrow counts for two reservations": [(escrow, "take", broken.take_that_counts_once)],
    "a view is newer by every clock": [(Ledger, "covered_by", broken.covered_by_any_time)],
    "a ledger is spent by every clock": [(Ledger, "is_spent", broken.spent_by_one_clock)],
    "what is stored uses a place as well": [
        (Holding, "admit", broken.use_places_for_what_is_missing)
    ],
    "what the ledger reserves is no proof": [(Holding, "admit", broken.admit_without_the_ledger)],
    "streams have limits of their own": [(Holding, "effective", broken.nothing_of_streams)],
    "ample room is room in the limits of streams": [
        (Holding, "has_ample_streams", lambda *_: True),
    ],
    "ample room counts what has left": [(Holding, "_states", broken.states_of_now)],
    "what was admitted is named": [(escrow, "give_back", broken.give_back_nameless)],
    "after its end an escrow is given back otherwise": [
        (escrow, "give_back", broken.give_back_as_if_in_time)
    ],
    "what an ended escrow has admitted counts as long as the escrow": [
        (Ledger, "keep", broken.keep_for_one_reservation)
    ],
    "what an ended escrow has admitted is proven by nothing": [
        (Ledger, "keep", broken.keep_until_it_is_seen)
    ],
    "a lost escrow counts on": [(Ledger, "settle", broken.settle_escrows_early)],
    "an escrow hides proofs": [(Ledger, "_is_certain", lambda *_: True)],
    "a lost escrow hides proofs": [(Ledger, "_is_certain", broken.is_certain_by_one_member)],
}
