"""The invented products of the demo, and which of them each chain carries."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.chains import CHAINS

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]

PRODUCTS: Final = 2_000
ZIPF_EXPONENT: Final = 0.85

# GS1 keeps the prefixes 20 to 29 for numbers that mean something only within one company, so no real product has one.
_GTIN_PREFIX: Final = "29"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A kind of goods: a typical price in CNY and how it scatters, names, and pack sizes."""

    code: str
    price_cny: float
    spread: float
    sizes: tuple[str, ...]
    nouns: tuple[tuple[str, str], ...]


CATEGORIES: Final = (
    Category(
        code="water",
        price_cny=2.6,
        spread=0.45,
        sizes=("350 ml", "550 ml", "1 L", "1.5 L"),
        nouns=(("饮用水", "drinking water"), ("苏打水", "soda water"), ("气泡水", "sparkling water")),
    ),
    Category(
        code="soft_drinks",
        price_cny=4.8,
        spread=0.35,
        sizes=("250 ml", "330 ml", "500 ml", "1.25 L"),
        nouns=(("乌龙茶", "oolong tea"), ("果汁", "juice"), ("汽水", "lemonade"), ("能量饮料", "energy drink")),
    ),
    Category(
        code="dairy",
        price_cny=7.5,
        spread=0.40,
        sizes=("100 g", "200 ml", "450 ml", "950 ml"),
        nouns=(("牛奶", "milk"), ("酸奶", "yoghurt"), ("豆奶", "soy milk")),
    ),
    Category(
        code="noodles",
        price_cny=6.2,
        spread=0.35,
        sizes=("85 g", "110 g", "5 x 85 g"),
        nouns=(("方便面", "instant noodles"), ("刀削面", "knife-cut noodles"), ("米粉", "rice noodles")),
    ),
    Category(
        code="snacks",
        price_cny=8.9,
        spread=0.45,
        sizes=("40 g", "70 g", "150 g", "300 g"),
        nouns=(("薯片", "crisps"), ("饼干", "biscuits"), ("坚果", "nuts"), ("海苔", "seaweed"), ("肉脯", "jerky")),
    ),
    Category(
        code="sweets",
        price_cny=6.0,
        spread=0.50,
        sizes=("25 g", "50 g", "120 g"),
        nouns=(("巧克力", "chocolate"), ("软糖", "gummies"), ("口香糖", "chewing gum"), ("红枣糕", "jujube cake")),
    ),
    Category(
        code="bakery",
        price_cny=6.8,
        spread=0.40,
        sizes=("1 pc", "2 pcs", "400 g"),
        nouns=(("面包", "bread"), ("蛋糕", "cake"), ("馒头", "steamed bun")),
    ),
    Category(
        code="ready_meals",
        price_cny=14.5,
        spread=0.35,
        sizes=("small", "regular", "large"),
        nouns=(("饭团", "rice ball"), ("便当", "boxed meal"), ("三明治", "sandwich"), ("沙拉", "salad")),
    ),
    Category(
        code="frozen",
        price_cny=12.0,
        spread=0.50,
        sizes=("80 g", "300 g", "500 g"),
        nouns=(("雪糕", "ice cream"), ("水饺", "dumplings"), ("汤圆", "rice balls in syrup")),
    ),
    Category(
        code="fresh",
        price_cny=9.8,
        spread=0.45,
        sizes=("250 g", "500 g", "1 kg"),
        nouns=(("苹果", "apples"), ("番茄", "tomatoes"), ("青菜", "greens"), ("鸡蛋", "eggs")),
    ),
    Category(
        code="sauces",
        price_cny=11.5,
        spread=0.50,
        sizes=("160 ml", "420 ml", "800 ml"),
        nouns=(("陈醋", "aged vinegar"), ("酱油", "soy sauce"), ("辣酱", "chilli sauce")),
    ),
    Category(
        code="beer",
        price_cny=6.9,
        spread=0.40,
        sizes=("330 ml", "500 ml", "6 x 330 ml"),
        nouns=(("啤酒", "beer"), ("黄酒", "rice wine"), ("果酒", "fruit wine")),
    ),
    Category(
        code="household",
        price_cny=13.8,
        spread=0.60,
        sizes=("1 pc", "3 pcs", "10 pcs"),
        nouns=(("纸巾", "tissues"), ("电池", "batteries"), ("雨伞", "umbrella"), ("洗洁精", "washing-up liquid")),
    ),
    Category(
        code="care",
        price_cny=19.5,
        spread=0.55,
        sizes=("mini", "standard", "family"),
        nouns=(("牙膏", "toothpaste"), ("洗发水", "shampoo"), ("湿巾", "wet wipes"), ("创可贴", "plasters")),
    ),
)

_KINDS: Final = (
    ("原味", "plain"), ("柚子", "pomelo"), ("桂花", "osmanthus"), ("薄荷", "mint"), ("枣香", "jujube"),
    ("山楂", "hawthorn"), ("海盐", "sea salt"), ("青柠", "lime"), ("荞麦", "buckwheat"), ("竹炭", "bamboo"),
    ("莲子", "lotus"), ("杏仁", "almond"), ("轻盈", "light"), ("经典", "classic"), ("加倍", "double"),
    ("清早", "morning"), ("夜读", "evening"), ("云朵", "cloud"), ("石磨", "stone-ground"), ("雪山", "snow peak"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Assortment:
    """All products, the most popular first; arrays have one entry a product, or one row a chain of CHAINS.

    ``appetite`` says how eagerly a chain stocks a product, 0 for what it has nowhere. ``price_fen`` is by chain, in
    hundredths of a yuan. ``owner`` is the chain of a private label, -1 for the others.
    """

    skus: tuple[str, ...]
    names_zh: tuple[str, ...]
    names_en: tuple[str, ...]
    categories: tuple[str, ...]
    popularity: FloatArray
    owner: IntArray
    appetite: FloatArray
    price_fen: IntArray


def gtin13(number: int) -> str:
    """Return a 13-digit GTIN of the in-store range for ``number`` (0 to 9,999,999,999), check digit and all.

    Source: GS1 General Specifications, section 7.9, check digit calculation.
    """
    body = f"{_GTIN_PREFIX}{number:010d}"
    weighted = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(body))
    return f"{body}{-weighted % 10}"


def make_assortment(rng: np.random.Generator) -> Assortment:
    """Invent PRODUCTS products and who carries them."""
    popularity = np.arange(1, PRODUCTS + 1, dtype=np.float64) ** -ZIPF_EXPONENT
    owner = _owners(rng)
    category = rng.integers(0, len(CATEGORIES), PRODUCTS)
    names_zh, names_en = _names(category, owner, rng)
    numbers = rng.choice(10_000_000, PRODUCTS, replace=False)
    return Assortment(
        skus=tuple(gtin13(int(number)) for number in numbers),
        names_zh=names_zh,
        names_en=names_en,
        categories=tuple(CATEGORIES[index].code for index in category),
        popularity=popularity,
        owner=owner,
        appetite=_appetite(popularity, category, owner, rng),
        price_fen=_prices_fen(category, rng),
    )


def _owners(rng: np.random.Generator) -> IntArray:
    """Private labels are middling sellers: none among the hundred most popular."""
    owner = np.full(PRODUCTS, -1, dtype=np.int64)
    labels = rng.choice(np.arange(100, PRODUCTS), sum(chain.private_labels for chain in CHAINS), replace=False)
    owner[labels] = np.repeat(np.arange(len(CHAINS)), [chain.private_labels for chain in CHAINS])
    return owner


def _names(category: IntArray, owner: IntArray, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give each product a name of its own: a size of a kind of a noun, the latter ones of a numbered series."""
    names_zh, names_en = [""] * PRODUCTS, [""] * PRODUCTS
    for index, kind_of_goods in enumerate(CATEGORIES):
        members = np.flatnonzero(category == index)
        variants = [
            (noun, kind, size) for noun in kind_of_goods.nouns for kind in _KINDS for size in kind_of_goods.sizes
        ]
        order = rng.permutation(len(variants))
        for place, product in enumerate(members):
            (noun_zh, noun_en), (kind_zh, kind_en), size = variants[order[place % len(variants)]]
            series = place // len(variants)
            number = f" No. {series + 1}" if series else ""
            label_zh = CHAINS[owner[product]].name_zh if owner[product] >= 0 else "虚构"
            label_en = CHAINS[owner[product]].name_en if owner[product] >= 0 else "Synthetic"
            suffix_zh, suffix_en = ("（虚构）", " (synthetic)") if owner[product] >= 0 else ("", "")
            names_zh[product] = f"{label_zh}{kind_zh}{noun_zh} {size}{number}{suffix_zh}"
            names_en[product] = f"{label_en} {kind_en} {noun_en} {size}{number}{suffix_en}"
    return tuple(names_zh), tuple(names_en)


def _appetite(popularity: FloatArray, category: IntArray, owner: IntArray, rng: np.random.Generator) -> FloatArray:
    appetite = np.zeros((len(CHAINS), PRODUCTS))
    for row, chain in enumerate(CHAINS):
        taste = rng.lognormal(0.0, 0.7, len(CATEGORIES))[category] * rng.lognormal(0.0, 0.6, PRODUCTS)
        carried = rng.random(PRODUCTS) < chain.range_part + (1.0 - chain.range_part) * (popularity > popularity[60])
        own = owner == row
        appetite[row] = np.where(owner == -1, popularity * taste * carried, 0.0)
        # A chain pushes its own labels well above what their popularity would give them.
        appetite[row, own] = popularity[200] * taste[own]
    return appetite


def _prices_fen(category: IntArray, rng: np.random.Generator) -> IntArray:
    typical = np.array([goods.price_cny for goods in CATEGORIES])[category]
    spread = np.array([goods.spread for goods in CATEGORIES])[category]
    base_cny = typical * rng.lognormal(0.0, spread)
    factors = np.array([chain.price_factor for chain in CHAINS])[:, np.newaxis]
    shelf_cny = base_cny * factors * rng.lognormal(0.0, 0.03, (len(CHAINS), PRODUCTS))
    # Half yuans below twenty, whole ones less ten fen above, as price tags have it.
    low_fen = np.maximum(50, np.round(shelf_cny * 2).astype(np.int64) * 50)
    high_fen = np.ceil(shelf_cny).astype(np.int64) * 100 - 10
    price_fen: IntArray = np.where(shelf_cny < 20.0, low_fen, high_fen)
    return price_fen
