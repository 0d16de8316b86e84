"""What the columns of files mean: the general names of each kind of file, and the formats known by name.

``stores.toml`` and ``stock.toml`` list the general names; every other TOML file here is the profile of a format.
"""

from dispatch.ingest.profiles.catalogue import choose_profile, format_profiles, is_id_name, is_known_name
from dispatch.ingest.profiles.names import (
    IGNORE,
    MatchedColumns,
    Profile,
    field_of,
    fold_name,
    load_profile,
    match_columns,
    missing_columns,
    without_note,
)
from dispatch.ingest.profiles.parsing import FormatProfile, ProfileError, names_of, parse_profile

__all__ = [
    "IGNORE",
    "FormatProfile",
    "MatchedColumns",
    "Profile",
    "ProfileError",
    "choose_profile",
    "field_of",
    "fold_name",
    "format_profiles",
    "is_id_name",
    "is_known_name",
    "load_profile",
    "match_columns",
    "missing_columns",
    "names_of",
    "parse_profile",
    "without_note",
]
