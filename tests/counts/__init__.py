"""What work costs in counts that are the same on every machine, each held to a limit; they tell what a clock cannot.

How many stores a quote looks at, how many calls of functions it makes, how many statements go to the database, how
many bytes a row takes. They follow from the code and from seeds, so that a busy machine changes none of them.

**A check that fails** means one of two things, and says which, with the lines that would stand in ``limits.toml``:

- *more than the limit*: this change has made something costlier. Mostly it was not meant to be: a search that stops
  later, a statement for each row, a layer more in a hot path. Mend that. If the cost buys something, say in the commit
  what it is, how much it costs and what `make bench` says before and after, and only then write down the new count and
  the limit that is told.
- *the limit is more than one and a half times the count* (or, where counts have no headroom, more than it): this change
  has made it cheaper. Write down the new count and limit, so that nobody can lose it again unseen.

Never raise a limit beyond what is told, for what was measured is what is known.
"""
