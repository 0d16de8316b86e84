"""The search for the nearest stores that have all lines, compiled: loops without a call of numpy in them.

Everything that can be tested in whole numbers is tested here, in the way of ``dispatch.domain.eligibility``; distances
are straight chords, never longer than geodesics, so that what fails by its chord fails. What passes is asked the rest
by who calls: the geodesic, the zone, and a quantity too large for a row.

    memory.py   where the arrays are, the question, and room for the answer
    rows.py     whether a store has a line
    stores.py   whether a store passes, or by what it fails
    near.py     nearest first
    holding.py  those that have the rarest line
    failing.py  the store that fails last

Nothing is checked: a slot must be one that there is room for in every array by slot.
"""
