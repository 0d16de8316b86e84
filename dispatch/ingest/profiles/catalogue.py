"""The formats that have a profile here, and which of them a header is of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from dispatch.ingest.problems import FileProblem, PlaceProblem
from dispatch.ingest.profiles.names import field_of, fold_name, kinds, load_profile, names_folder
from dispatch.ingest.profiles.parsing import FormatProfile, Header, ProfileError, parse_profile

_PARAMETER: Final = "parameter profile"
_ID_FIELDS: Final = frozenset({"store_id", "sku", "barcode"})


@cache
def format_profiles() -> tuple[FormatProfile, ...]:
    """Every profile that comes with the program, in the order of their names."""
    general = {f"{kind}.toml" for kind in kinds()}
    paths = [path for path in names_folder().iterdir() if path.name.endswith(".toml") and path.name not in general]
    return tuple(parse_profile(path.read_text(encoding="utf-8")) for path in sorted(paths, key=lambda path: path.name))


def choose_profile(columns: Sequence[str], *, kind: str, asked: str | None) -> FormatProfile | None:
    """The profile of a file with these columns; None: the general names alone.

    ``asked`` is the name of one or the text of a profile file, which is told by its line ends; without it the header
    tells the format: the profile that asks for the most columns. Raises FileProblem: ``profile_unknown``,
    ``profile_invalid``, ``profile_does_not_fit``, ``profile_ambiguous``, ``layout_refused``.
    """
    present = frozenset(map(fold_name, columns))
    profile = _detected(present, kind) if asked is None else _asked(asked, kind)
    if profile is None:
        return None
    _refuse(profile, present)
    lost = _missing(profile, present) if asked is not None else ()
    if lost:
        raise FileProblem(
            "profile_does_not_fit",
            f"the file is not of the profile {profile.name}: it has no column {', '.join(lost)}",
            tuple(PlaceProblem(f"column {name}", f"is not in the header; {profile.name} needs it") for name in lost),
        )
    return profile


def is_known_name(name: str) -> bool:
    """Whether the column name means something here, for any kind of file or in any format."""
    return any(field_of(load_profile(kind), name) for kind in kinds()) or fold_name(name) in _names_of_formats()


def is_id_name(name: str) -> bool:
    """Whether the column name is that of a store or of goods, for any kind of file or in any format."""
    return any(field_of(load_profile(kind), name) in _ID_FIELDS for kind in kinds()) or fold_name(name) in _ids()


@cache
def _ids() -> frozenset[str]:
    lists = (profile.names | profile.first for profile in format_profiles())
    return frozenset(fold_name(name) for names in lists for field in _ID_FIELDS for name in names.get(field, ()))


@cache
def _names_of_formats() -> frozenset[str]:
    return frozenset(fold_name(column) for profile in format_profiles() for column in profile.known_columns())


def _asked(asked: str, kind: str) -> FormatProfile:
    if "\n" in asked:
        try:
            profile = parse_profile(asked)
        except ProfileError as error:
            raise FileProblem("profile_invalid", str(error), (PlaceProblem(_PARAMETER, str(error)),)) from None
        if profile.kind != kind:
            message = f"kind: the profile {profile.name} is one of {profile.kind}, not of {kind}"
            raise FileProblem("profile_invalid", message, (PlaceProblem(_PARAMETER, message),))
        return profile
    known = {profile.name: profile for profile in format_profiles() if profile.kind == kind}
    if asked not in known:
        message = f"there is no profile {asked!r} of {kind}; there are {', '.join(known) or 'none'}"
        raise FileProblem("profile_unknown", message, (PlaceProblem(_PARAMETER, message),))
    return known[asked]


def _detected(present: frozenset[str], kind: str) -> FormatProfile | None:
    weighed = [
        (_weight(header), profile)
        for profile in format_profiles()
        if profile.kind == kind
        for header in (*profile.detect, *profile.refuse)
        if _fits(header, present)
    ]
    most = max((weight for weight, _ in weighed), default=0)
    best = {profile.name: profile for weight, profile in weighed if weight == most}
    if len(best) > 1:
        message = f"the header may be of {' or '.join(best)}: say which, or another"
        raise FileProblem("profile_ambiguous", message, (PlaceProblem(_PARAMETER, message),))
    return next(iter(best.values()), None)


def _fits(header: Header, present: frozenset[str]) -> bool:
    return (
        all(fold_name(column) in present for column in header.all)
        and (not header.any or any(fold_name(column) in present for column in header.any))
        and not any(fold_name(column) in present for column in header.none)
    )


def _lost(columns: Sequence[str], present: frozenset[str]) -> list[str]:
    return [column for column in columns if fold_name(column) not in present]


def _weight(header: Header) -> int:
    return len(header.all) + bool(header.any)


def _refuse(profile: FormatProfile, present: frozenset[str]) -> None:
    for layout in profile.refuse:
        if _fits(layout, present):
            raise FileProblem(
                "layout_refused", f"this layout of {profile.title} cannot be read: {layout.mend}",
                (PlaceProblem("header", layout.mend),),
            )  # fmt: skip


def _missing(profile: FormatProfile, present: frozenset[str]) -> tuple[str, ...]:
    """What the header lacks for the profile, by the layout of it that comes nearest; empty when it fits."""
    needed = _lost(profile.needed(), present)
    if not profile.detect or any(_fits(header, present) for header in profile.detect):
        return tuple(needed)
    lacking: list[list[str]] = []
    for header in profile.detect:
        lost = _lost(header.all, present)
        if header.any and not any(fold_name(column) in present for column in header.any):
            lost.append(" or ".join(header.any))
        lacking.append([*lost, *(column for column in needed if column not in lost)])
    nearest: list[str] = min(lacking, key=len)
    return tuple(nearest)
