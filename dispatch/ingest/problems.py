"""What can be wrong with a file or a row of it, by code; the documentation lists these codes from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

FILE_CODES: Final[dict[str, str]] = {
    "as_of_in_future": "The moment of the count is more than 120 s ahead of now.",
    "as_of_required": "A stock file has no as_of column and none was given with the import.",
    "column_missing": "A column that is required, mapped or named for the id is not in the header.",
    "column_twice": "Two columns of the header mean the same field.",
    "country_unknown": "The country is none of ISO 3166, nor a usual name of one.",
    "currency_unknown": "The currency given with the import is none of ISO 4217 with minor units.",
    "datum_changed": "Most stores known already have moved alike, as in another datum.",
    "datum_twice": "The names of the columns of latitude and longitude tell two different datums.",
    "encoding_ambiguous": "Two encodings give plausible text, and only people can tell: say which (encoding=…).",
    "encoding_unknown": "The bytes are not text in the declared encoding, or in any that could be recognised.",
    "field_unknown": "A column is mapped to a field that does not exist.",
    "file_damaged": "The file cannot be read to its end, such as a gzip cut short.",
    "file_empty": "The file has no text in it, or no rows and no header.",
    "file_too_large": "The file, unpacked, is larger than an import may be, or the workbook, or it has more items.",
    "header_missing": "The first row is not a header: no column of it is known and it holds numbers.",
    "json_invalid": "The file is JSON that is broken, cut off, too deep or not in UTF-8.",
    "layout_refused": "A layout of a known format that cannot be read; the message says which one can.",
    "not_a_table": "The file is none of the formats that can be read, such as HTML, XLS or a ZIP.",
    "profile_ambiguous": "The header may be of two formats: say which with the import.",
    "profile_does_not_fit": "The file lacks columns of the profile given with the import.",
    "profile_invalid": "The profile file says something that a profile cannot say.",
    "profile_unknown": "No profile has the name given with the import.",
    "records_missing": "JSON or XML without a list of objects or elements that could be rows.",
    "sheet_unknown": "The workbook has no sheet of the name that was asked for.",
    "timezone_invalid": "The time zone given with the import is no IANA name.",
    "too_many_columns": "There are more columns than an import may have, or one whose name is too long.",
    "workbook_invalid": "The file is a workbook that cannot be read.",
    "would_empty": "Most of the chain's stores, or of its rows that have stock, would be gone; force says it is meant.",
    "xml_invalid": "The file is XML that is broken, cut off or too deep.",
    "xml_unsafe": "XML that declares a document type or entities, alone or in a workbook.",
}
"""Codes of FileProblem: nothing of the file is applied."""

ROW_CODES: Final[dict[str, str]] = {
    "as_of_in_dst_gap": "The local time never was: clocks were put forward over it. Say the offset.",
    "as_of_in_future": "The count is more than 120 s ahead of now.",
    "as_of_invalid": "Not a date with a time in ISO 8601, such as 2026-11-21T10:00:00+08:00.",
    "as_of_missing": "The as_of of this row is empty and none was given with the import.",
    "cell_too_long": "A value is longer than a value may be.",
    "coordinate_infinite": "A coordinate is infinite.",
    "coordinate_invalid": "The coordinates are no place.",
    "coordinate_nan": "A coordinate is not a number.",
    "coordinate_null_island": "The coordinates are (0, 0), which stands for a missing place.",
    "coordinate_out_of_range": "Latitude beyond 90 or longitude beyond 180 degrees.",
    "coordinates_swapped": "Latitude and longitude stand in each other's column.",
    "currency_required": "A price without a currency: neither a column nor given with the import.",
    "currency_unknown": "The currency is none of ISO 4217 with minor units.",
    "datum_invalid": "The datum is none of wgs84, gcj02 and bd09.",
    "datum_required": "A place in mainland China whose datum nobody declared; a wrong guess is 300 to 700 m.",
    "delivery_zone_invalid": "The delivery zone is no valid polygon in WKT or GeoJSON.",
    "duplicate_item": "An earlier row of the file has the same partner code, and says another sku or case of it.",
    "duplicate_store": "An earlier row of the file has the same store id.",
    "flag_invalid": "Not one of true, false, yes, no, y, n, 1, 0.",
    "geometry_not_a_point": "The place is no point, such as an area; or none can be made of what is drawn.",
    "key_twice": "An object has the same key twice, so that nobody knows which value is meant.",
    "lat_missing": "No latitude.",
    "line_too_long": "A line is longer than a line may be.",
    "lon_missing": "No longitude.",
    "mode_invalid": "The travel mode is none of foot, ebike and car.",
    "not_in_city": "Far from the other stores of its city, among stores of other regions.",
    "not_in_region": "Far from the other stores of its region, amid those of another.",
    "nul_in_row": "The row holds a NUL character, which no text has.",
    "number_ambiguous": "One comma and three digits after it: it may be thousands or decimals.",
    "number_invalid": "Not a plain decimal number.",
    "number_out_of_range": "The number is beyond what the field may be.",
    "on_hand_missing": "No quantity on hand.",
    "opening_hours_invalid": "Not in the opening_hours syntax of OpenStreetMap.",
    "outside_country": "The store lies outside the country declared.",
    "partner_code_invalid": "The partner code is longer than 64 characters or holds control characters.",
    "partner_code_lost_in_excel": "The partner code is in scientific notation: a spreadsheet has lost its digits.",
    "partner_code_missing": "No partner code.",
    "partner_invalid": "Not 1 to 64 printable characters without a slash.",
    "price_too_precise": "The price has more decimals than its currency has.",
    "quote_doubtful": "A value in quotes runs over several lines, one of which may be a whole row.",
    "quote_misplaced": "A closing quote is followed by more text; a quote inside quotes is written twice.",
    "quote_unclosed": "A quote is opened and not closed before the next rows.",
    "record_invalid": "The line or the item of the list is no object of JSON, or of GeoJSON no Feature.",
    "row_too_long": "The row has more values than the header has columns.",
    "row_of_bad_sum": "Rows of one store and sku are summed, and another of these rows is bad: it waits for that one.",
    "row_too_short": "The row ends before a required column.",
    "sku_ambiguous": "Several known skus or item codes differ from the code in leading zeros alone.",
    "sku_invalid": "The sku is longer than 64 characters or holds control characters.",
    "sku_lost_in_excel": "The sku is in scientific notation: a spreadsheet has lost its digits.",
    "sku_missing": "No sku.",
    "store_id_ambiguous": "Several stores have ids that differ from this one in leading zeros alone.",
    "store_id_invalid": "Not 1 to 64 printable characters without a slash.",
    "store_id_lost_in_excel": "The store id is in scientific notation: a spreadsheet has lost its digits.",
    "store_id_missing": "No store id.",
    "store_of_other_partner": "The store belongs to another partner than the import's.",
    "text_invalid": "The text holds control characters.",
    "text_too_long": "The text is longer than 500 characters.",
    "timezone_invalid": "The time zone is no IANA name.",
    "unknown_store": "No store has this id.",
    "unmapped_item": "The item code is none of the partner's item codes, and no known sku.",
}
"""Codes of RowProblem: the row is not applied, the others are."""

WARNING_CODES: Final[dict[str, str]] = {
    "as_of_ambiguous": "The local time was twice, as clocks were put back; the earlier was taken.",
    "country_unknown": "The country is none of ISO 3166, nor a usual name of one.",
    "far_from_city": "More than 100 km from the other stores of its city in this file.",
    "far_from_others": "Far from all other stores of its chain in this file.",
    "far_from_region": "No other store of its region in this file lies within 200 km.",
    "fraction_rounded_down": "A quantity with a fraction was rounded down.",
    "maybe_swapped": "Outside the country, but inside with latitude and longitude swapped.",
    "mostly_emptied": "Most of the chain's shelf rows that have stock are counted as 0.",
    "moved_far": "The store has moved by more than 1 km since the last import.",
    "negative_to_zero": "A negative quantity was taken as 0.",
    "outside_country": "The store lies outside the country of most rows of the file.",
    "outside_own_zone": "The store lies outside its own delivery zone.",
    "price_of_case": "The row counts cases, so its price is that of a case, and was not taken.",
    "row_padded": "The row ends early; the optional columns it lacks were taken as empty.",
    "same_place": "An earlier row of another store has the same place.",
    "sku_padded": "The code was taken as the only known one that differs from it in leading zeros alone.",
    "store_id_padded": "The id was taken as that of the only store whose id differs from it in leading zeros alone.",
}
"""Codes of RowWarning: the row is applied."""

IGNORED_CODES: Final[dict[str, str]] = {
    "header_again": "The header once more, as in pages pasted one below the other.",
    "left_blank": "Among counts edited by hand, a row without a new count.",
    "left_out_by_profile": "The profile of the file leaves rows with this value out.",
    "not_a_store": "An element of a map that is no place of its own, such as the corner of a building.",
    "not_on_hand_now": "What is on its way, or expected later, is not on hand.",
    "not_stocked": "The store does not keep the item.",
    "older": "The count is older than what is known of the row, or the whole shelf.",
    "stock_type_not_for_sale": "Stock that is blocked, in inspection or a customer's own is not for sale.",
    "total_row": "A row of sums, such as 合计 or Grand total, that names no goods of its own.",
}
"""Codes of RowIgnored: the row says nothing that counts here, by the rule of its format."""

CODES: Final[dict[str, str]] = {**FILE_CODES, **ROW_CODES, **WARNING_CODES, **IGNORED_CODES}


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row is not applied. ``column`` is named as the file names it, None when it is the row as a whole.

    ``raw`` is the row whole, a value for each column, as far as it could be taken apart.
    """

    row_no: int
    column: str | None
    code: str
    message: str
    raw: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowWarning:
    """What was odd in a row that is applied all the same."""

    row_no: int
    column: str | None
    code: str
    message: str


class PlaceProblem(NamedTuple):
    """One fault and where it is: ``column lat``, ``byte 1234``, ``parameter currency``."""

    place: str
    detail: str


class FileProblem(Exception):
    """The file as a whole cannot be imported; nothing of it is applied. The message is for the one who sent it."""

    def __init__(self, code: str, message: str, errors: tuple[PlaceProblem, ...] = ()) -> None:
        super().__init__(code, message, errors)
        self.code = code
        self.message = message
        self.errors = errors

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
