"""Every setting, in one place: `DISPATCH_<NAME>` in the environment, or a line of `.env` in the working directory.

Order of precedence: what the command line says, the environment, `.env`, the default here. Nothing is read at import.
"""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as _SourceError

ENV_PREFIX = "DISPATCH_"
MIB = 2**20
LEAST_SECRET_CHARS: Final = 32
# With a path and a query of two names behind it, it still goes into a QR code.
_PLAIN_URL: Final = re.compile(r"[!-~]{1,200}")

# Travel slows by the hour of departure in the store's time zone: 24 factors of 1 or more, the first for 00:00–00:59.
Speed = Annotated[float, Field(gt=0, le=200)]
TopSpeed = Annotated[float, Field(ge=5, le=400)]
Profile = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_\-]+$")]
Detour = Annotated[float, Field(ge=1, le=10)]
HourFactors = Annotated[tuple[Annotated[float, Field(ge=1, le=20)], ...], Field(min_length=24, max_length=24)]
PartSeconds = Annotated[int, Field(ge=0, le=86_400)]

_EVEN: tuple[float, ...] = (1.0,) * 24
_RUSH_HOURS = (7, 8, 17, 18)


# What a walker does beside the road, Valhalla's own limits, and no more than an e-bike keeps to.
_ROAD_SPEEDS_KMH: Final = (
    ("foot_speed_kmh", 4.8, 25.0),
    ("ebike_road_kmh", 6.0, 60.0),  # at 5.1 it is pushed, where it may not be ridden
    ("car_road_kmh", 10.0, 140.0),
)


# Browsers leave them out of an origin.
_USUAL_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


class SettingsError(ValueError):
    """A setting is wrong. The text is one line that names the variable and never repeats a secret."""


def _origin(text: str) -> str:
    """An origin as browsers write it. Raises ValueError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text} is not an origin, such as https://shop.example") from None
    host = parts.hostname or ""
    if not parts.scheme or not _HOST.fullmatch(host) or "@" in text:
        raise ValueError(f"{text} is not an origin: scheme, host, and perhaps a port, such as https://shop.example")
    if parts.path or parts.query or parts.fragment or text.endswith(("/", "?", "#")):
        raise ValueError(f"{text} is more than an origin; write https://shop.example without a path or slash behind it")
    shown_port = "" if port is None or port == _USUAL_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{shown_port}"


class Settings(BaseSettings):
    """The settings of one process; frozen. Made by :func:`load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    # -- where the data is

    data_dir: Path = Field(Path("var"), description="Directory of the embedded database and of uploads")
    # None: the embedded PostgreSQL in data_dir. Kept out of repr, for it may hold a password.
    database_url: str | None = Field(None, repr=False, description="PostgreSQL to use instead of the embedded one")
    pool_min: int = Field(2, ge=0, le=1000, description="Connections each worker keeps open")
    pool_max: int = Field(10, ge=1, le=1000, description="Connections each worker opens at most")
    write_pool_max: int = Field(4, ge=1, le=1000, description="Connections more for orders, movements, small counts")
    write_wait_s: float = Field(5.0, gt=0, le=60, description="Seconds that such a write waits for its turn")

    # -- where it is served

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on; 0: any that is free")
    workers: int = Field(1, ge=1, le=256, description="Processes that answer, each with a replica of its own")
    # Without any key configured everybody is admin: then only loopback addresses are bound, unless told so here.
    insecure: bool = Field(False, description="Bind other than loopback addresses without a key")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least level logged"
    )
    max_body_bytes: int = Field(16 * MIB, ge=1024, description="Largest JSON body, in bytes")
    max_file_bytes: int = Field(4096 * MIB, ge=1024, description="Largest uploaded file, in bytes")

    # -- stock and orders

    # 36 h: a count made every night may once be half a day late before its shelf is no longer believed.
    stock_stale_after_s: int = Field(129_600, ge=1, description="Age in seconds from which stock is stale_stock")
    accept_s: int = Field(300, ge=1, le=86_400, description="Seconds a store has to accept a confirmed order")

    # -- the parts of the promise, in seconds; a store's own value comes first

    prepare_s: PartSeconds = Field(300, description="Seconds to prepare an order")
    prepare_line_s: PartSeconds = Field(30, description="Seconds more for each line")
    queue_per_order_s: PartSeconds = Field(120, description="Seconds more for each order already open at the store")
    courier_s: PartSeconds = Field(60, description="Seconds that ready goods wait for the courier")
    handover_s: PartSeconds = Field(120, description="Seconds at the door")

    # -- travel without roads: geodesic × detour ÷ speed × factor of the hour. Round numbers for a city, not measured.

    mode: Literal["foot", "ebike", "car"] = Field("ebike", description="Travel mode where request and store name none")
    foot_speed_kmh: Speed = Field(4.8, description="Speed on foot, km/h")
    foot_detour: Detour = Field(1.25, description="Way on foot ÷ geodesic")
    foot_hour_factors: HourFactors = Field(_EVEN, description="24 factors of travel time on foot (JSON list)")
    ebike_speed_kmh: Speed = Field(20.0, description="Speed by e-bike, km/h")
    ebike_detour: Detour = Field(1.3, description="Way by e-bike ÷ geodesic")
    ebike_hour_factors: HourFactors = Field(_EVEN, description="24 factors of travel time by e-bike (JSON list)")
    car_speed_kmh: Speed = Field(25.0, description="Speed by car, km/h, parking included")
    car_detour: Detour = Field(1.4, description="Way by car ÷ geodesic")
    car_hour_factors: HourFactors = Field(
        tuple(1.4 if hour in _RUSH_HOURS else 1.0 for hour in range(24)),
        description="24 factors of travel time by car (JSON list)",
    )

    # -- travel by road: a routing engine's own times, where there is an extract

    roads: Path | None = Field(None, description="OpenStreetMap extract (.osm.pbf) to travel on; else estimates")
    roads_estimate_outside: bool = Field(False, description="Estimate travel to doors outside the extract's box")
    roads_times: Literal["osrm", "valhalla"] = Field("osrm", description="Who tells travel times on that extract")
    ebike_road_kmh: Speed = Field(25.0, description="Speed of an e-bike on roads, km/h")
    car_road_kmh: Speed = Field(60.0, description="Speed of a car on the fastest roads, km/h")
    roads_patience_s: float = Field(2.0, gt=0, le=60, description="Seconds that the routing engine is waited for")
    # A routing server that runs already, instead of an extract. What is asked of it by mode comes after.
    roads_url: str | None = Field(None, repr=False, description="Address of a routing server to use instead of roads")
    roads_engine: Literal["valhalla", "osrm"] = Field("valhalla", description="What kind of server that is")
    # osrm-routed serves one profile a process, so a mode may have a server of its own.
    foot_roads_url: str | None = Field(None, repr=False, description="Its address on foot, if another")
    ebike_roads_url: str | None = Field(None, repr=False, description="Its address by e-bike, if another")
    car_roads_url: str | None = Field(None, repr=False, description="Its address by car, if another")
    foot_roads_profile: Profile = Field("foot", description="OSRM's profile on foot")
    ebike_roads_profile: Profile = Field("bicycle", description="OSRM's profile by e-bike")
    car_roads_profile: Profile = Field("car", description="OSRM's profile by car")
    # Only if none of the server's ways is faster is the nearest store proven; ferries and hills count.
    foot_roads_top_kmh: TopSpeed = Field(20.0, description="Speed that no way of the server beats on foot, km/h")
    ebike_roads_top_kmh: TopSpeed = Field(60.0, description="Speed that no way of the server beats by e-bike, km/h")
    car_roads_top_kmh: TopSpeed = Field(150.0, description="Speed that no way of the server beats by car, km/h")

    # -- the replica

    follow_every_s: float = Field(0.03, ge=0.001, le=10, description="Seconds between two looks for changes")
    replica_stale_after_s: float = Field(5.0, gt=0, le=3600, description="Seconds behind from which it is not ready")
    min_version_wait_s: float = Field(1.0, ge=0, le=60, description="Seconds a read waits for Dispatch-Min-Version")

    # -- the pages

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may use the API, with commas between (or a JSON list); *: all"
    )
    # What is in a QR code is printed: it must not be what some request has said of its Host.
    public_url: str | None = Field(None, description="Address of this service in links; else that of the request")
    secret: str | None = Field(None, repr=False, description="Signs tokens, 32 characters or more; else made once")
    # Those of a map service are its property: it has to be named beside them, and says what else it wants.
    tiles_url: str | None = Field(None, description="Address of map tiles, with {z}, {x} and {y}; else vectors alone")
    tiles_attribution: str | None = Field(None, min_length=1, description="Whose tiles they are; shown on every map")
    tiles_datum: Literal["wgs84", "gcj02", "bd09"] = Field("wgs84", description="Datum that the tiles are drawn in")
    # Of roads that a map draws instead: what the licence of nearly every extract asks for.
    roads_attribution: str = Field(
        "© OpenStreetMap contributors", min_length=1, description="Whose roads they are; shown on maps that draw them"
    )
    tiles_max_zoom: int = Field(19, ge=0, le=24, description="Zoom of the finest tiles that there are")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError("is neither origins with commas between nor a JSON list of them") from None
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value and len(value) > 1:
            raise ValueError("* stands for all origins; leave it away, or the others")
        return tuple(dict.fromkeys(one if one == "*" else _origin(one) for one in value))

    @field_validator("data_dir", "roads")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @field_validator("log_level", "mode", "roads_engine", "roads_times", "tiles_datum", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("is not a PostgreSQL address (postgresql://user:password@host:port/database)")
        return value

    @field_validator("roads_url", "foot_roads_url", "ebike_roads_url", "car_roads_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _is_of_server(value) or urlsplit(value).query or urlsplit(value).fragment:
            raise ValueError("is not the address of a server, such as http://127.0.0.1:8002")
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # It stands in links and codes for everybody to read, and what follows it is a path.
        if not _is_of_server(value) or "@" in value or "?" in value or "#" in value or not _PLAIN_URL.fullmatch(value):
            raise ValueError("is not an address that others may open, such as https://shop.example")
        return value.rstrip("/")

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: str | None) -> str | None:
        if value is not None and len(value) < LEAST_SECRET_CHARS:
            raise ValueError(
                f"has {len(value)} characters, and less than {LEAST_SECRET_CHARS} can be guessed; make one with:"
                " openssl rand -base64 32"
            )
        return value

    @field_validator("tiles_url")
    @classmethod
    def _tiles(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("https://", "http://", "/")) or value.startswith("//") or not value.isprintable():
            raise ValueError("is not an address such as https://tiles.example.org/{z}/{x}/{y}.png")
        if "{s}" in value:
            raise ValueError("has {s}, for one of several hosts, in it; name one of them, which serves as well")
        if missing := [part for part in ("{z}", "{x}", "{y}") if part not in value]:
            raise ValueError(f"has no {missing[0]} in it, as in https://tiles.example.org/{{z}}/{{x}}/{{y}}.png")
        return value

    @model_validator(mode="after")
    def _tiles_with_their_source(self) -> "Settings":
        if self.tiles_url is not None and self.tiles_attribution is None:
            raise ValueError(
                f"{ENV_PREFIX}TILES_URL is set without {ENV_PREFIX}TILES_ATTRIBUTION;"
                " say whose tiles they are, as their licence asks"
            )
        return self

    @model_validator(mode="after")
    def _one_kind_of_roads(self) -> "Settings":
        if self.roads is not None and self.roads_url is not None:
            raise ValueError(
                f"{ENV_PREFIX}ROADS (or --roads) and {ENV_PREFIX}ROADS_URL are both set;"
                " travel is either on an extract or by a server: take one of them away"
            )
        for name in ("foot_roads_url", "ebike_roads_url", "car_roads_url"):
            if getattr(self, name) is None:
                continue
            if self.roads_url is None:
                raise ValueError(
                    f"{ENV_PREFIX}{name.upper()} is set without {ENV_PREFIX}ROADS_URL,"
                    " which the other modes need; set it, too"
                )
            if self.roads_engine != "osrm":
                raise ValueError(
                    f"{ENV_PREFIX}{name.upper()} is set, but one valhalla serves every mode;"
                    f" take it away, or set {ENV_PREFIX}ROADS_ENGINE=osrm"
                )
        return self

    @model_validator(mode="after")
    def _speeds_on_roads(self) -> "Settings":
        # Valhalla takes others for none, and goes by its defaults: nothing could be proven of its ways.
        if self.roads is None and (self.roads_url is None or self.roads_engine == "osrm"):
            return self
        for name, low_kmh, high_kmh in _ROAD_SPEEDS_KMH:
            speed_kmh = getattr(self, name)
            if not low_kmh <= speed_kmh <= high_kmh:
                raise ValueError(
                    f"{ENV_PREFIX}{name.upper()} is {speed_kmh:g} km/h; on roads it can be {low_kmh:g} to {high_kmh:g}"
                )
        return self

    @model_validator(mode="after")
    def _pool_order(self) -> "Settings":
        if self.pool_min > self.pool_max:
            raise ValueError(f"{ENV_PREFIX}POOL_MIN ({self.pool_min}) is above {ENV_PREFIX}POOL_MAX ({self.pool_max})")
        return self


def _is_of_server(url: str) -> bool:
    """Whether it is an http(s) address with a host, and a port that can be if it has one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """The settings, from overrides by field name (None: not given), environment, `.env` and defaults.

    Raises SettingsError for the first bad value, with one line that names its variable.
    """
    unknown = sorted(overrides.keys() - Settings.model_fields.keys())
    if unknown:
        raise SettingsError(f"there is no setting {unknown[0]}")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_line(error)) from None
    except _SourceError as error:
        # Raised for a list that is not JSON; its text names the field in quotes and the kind of source.
        names = [name for name in Settings.model_fields if f'"{name}"' in str(error)]
        raise SettingsError(f"{_variable(names[0] if names else '')} is not valid JSON") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file .env cannot be read: {type(error).__name__}") from None


def is_kept_quiet(field: str) -> bool:
    """Whether a setting's value is never shown: it may hold a password, or is one."""
    return not Settings.model_fields[field].repr


def unknown_variables() -> dict[str, str | None]:
    """`DISPATCH_…` variables of the environment that no setting has, each with the nearest name or None."""
    known = {_variable(name) for name in Settings.model_fields}
    strangers = sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name.upper() not in known)
    return {name: next(iter(difflib.get_close_matches(name, known, n=1)), None) for name in strangers}


def _variable(field: str) -> str:
    return f"{ENV_PREFIX}{field.upper()}"


def _line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name, *inside = first["loc"]
    where = _variable(str(name)) + "".join(f"[{part}]" for part in inside)
    if is_kept_quiet(str(name)):
        return f"{where} {message}"
    given = " ".join(repr(first["input"]).split())
    shown = given if len(given) <= 60 else given[:57] + "…"
    return f"{where} is {shown}: {message[:1].lower()}{message[1:]}"
