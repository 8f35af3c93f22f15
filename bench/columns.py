"""Columns of tables as registers have them, and what is in them; everything follows from the seed.

Some are dirty: values are missing, or notes stand between them. Some only look like persons or
addresses. Written apart from the detectors that they measure, like `bench/population.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from bench.population import Population, areas

_FIRST = (
    "Olivia",
    "Emma",
    "Liam",
    "Noah",
    "Ethan",
    "Mason",
    "Sophia",
    "Isabella",
    "Lucas",
    "Henry",
    "Grace",
    "Daniel",
    "Priya",
    "Wei",
    "Fatima",
    "Omar",
    "Ingrid",
    "Sven",
    "Pierre",
    "Giulia",
    "Carlos",
    "Maria",
    "Yuki",
    "Hiroshi",
    "Aleksandra",
    "Piotr",
    "Chloe",
    "Jack",
    "Harriet",
    "George",
    "Laura",
    "Kevin",
    "Brian",
    "Rachel",
    "Megan",
    "Peter",
    "Simon",
    "Andrea",
    "Diane",
    "Walter",
)
_LAST = (
    "Fletcher",
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Rossi",
    "Fernandez",
    "Tanaka",
    "Kowalski",
    "Patel",
    "Schmidt",
    "Nguyen",
    "Haddad",
    "Murphy",
    "Campbell",
    "Douglas",
    "Whitfield",
    "Harrison",
    "Bennett",
    "Sinclair",
    "Mcallister",
    "Johnson",
    "Williams",
    "Garcia",
    "Davies",
    "Hughes",
    "Novak",
    "Larsen",
    "Petrov",
    "Silva",
    "Kaplan",
    "Reynolds",
    "Foster",
    "Hamilton",
    "Spencer",
    "Doyle",
    "Barrett",
)
_STREET = (
    "Oak",
    "Maple",
    "Cedar",
    "Elm",
    "Church",
    "Station",
    "Mill",
    "Park",
    "Lincoln",
    "Victoria",
)
_KIND = ("Street", "Avenue", "Road", "Lane", "Drive", "St", "Ave", "Rd", "Blvd", "Court")
_TOWN = ("Springfield, IL 62704", "Dover, DE 19901", "Salem, OR 97301", "Austin, TX 78701", "")
_GOODS = (
    "黄瓜",
    "白菜",
    "马铃薯",
    "石榴",
    "金桔",
    "毛巾",
    "水杯",
    "雷达",
    "方便面",
    "龙井",
    "温度计",
    "钱包",
    "毛笔",
    "白糖",
    "柳编",
    "牛肉",
    "羊毛衫",
    "高压锅",
    "路由器",
    "万用表",
    "江米",
    "花生油",
)
_OFFICES = (
    "财政局",
    "教育局",
    "卫生健康委员会",
    "人民医院",
    "税务局",
    "交通运输局",
    "档案馆",
    "第一中学",
)
_PRODUCTS = (
    "Standard Licence",
    "Trade Permit",
    "Grand Hotel",
    "Annual Report",
    "Water Meter",
    "Market Hall",
    "Public Library",
    "Road Survey",
    "Fire Station",
    "Town Plan",
)
_NOTES = ("待补", "见附件", "同上", "不详", "-", "n/a")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, its values, its entity (empty: none) and its sharing level."""

    name: str
    values: tuple[str | None, ...]
    entity: str
    level: int


class Columns:
    """Draws columns of every kind."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        population = Population(seed)
        places = [area.names for area in areas()]
        pick = self._random.choice
        self._kinds: list[tuple[str, int, tuple[str, ...], Callable[[], str]]] = [
            ("PERSON", 3, ("姓名", "联系人", "户主姓名"), population.name),
            ("PERSON", 3, ("Full name", "contact_name", "surname"), self._english_name),
            ("ADDRESS", 3, ("地址", "住址", "坐落位置"), population.address),
            ("ADDRESS", 3, ("Street address", "address", "office"), self._english_address),
            ("CN_RESIDENT_ID", 4, ("身份证号", "证件号码", "resident_id"), population.resident_id),
            ("CN_CREDIT_CODE", 1, ("统一社会信用代码", "credit code"), population.credit_code),
            ("CREDIT_CARD", 4, ("银行卡号", "卡号", "bank_card"), population.bank_card),
            ("PHONE_NUMBER", 3, ("手机", "联系电话", "mobile"), population.mobile),
            ("PHONE_NUMBER", 3, ("电话", "传真", "phone"), population.landline),
            ("EMAIL_ADDRESS", 3, ("邮箱", "email"), population.email),
            ("CN_LICENSE_PLATE", 3, ("车牌号", "plate"), population.plate),
            ("", 1, ("企业名称", "单位"), population.company),
            ("", 1, ("订单号", "order_no"), population.order_number),
            ("", 1, ("品名", "货物"), lambda: pick(_GOODS)),
            ("", 1, ("部门", "机构"), lambda: pick(_OFFICES)),
            ("", 1, ("城市", "city"), lambda: pick(places)[1]),
            ("", 1, ("区县", "district"), lambda: pick(places)[2]),
            ("", 1, ("product", "title"), lambda: pick(_PRODUCTS)),
            ("", 1, ("金额", "amount"), lambda: f"{self._random.randrange(10, 10**6)}.00"),
            ("", 1, ("日期", "issued"), lambda: f"20{self._random.randrange(10, 26)}-0"
             f"{self._random.randrange(1, 9)}-1{self._random.randrange(9)}"),
            ("", 1, ("序号", "serial"), lambda: str(self._random.randrange(10**8, 10**9))),
        ]  # fmt: skip

    def _english_name(self) -> str:
        middle = f"{self._random.choice('ABCDEGHJKLMR')}. " if self._random.random() < 0.2 else ""
        return f"{self._random.choice(_FIRST)} {middle}{self._random.choice(_LAST)}"

    def _english_address(self) -> str:
        number, unit = self._random.randrange(1, 9_999), ""
        if self._random.random() < 0.3:
            unit = f" Apt {self._random.randrange(1, 60)}"
        street = f"{self._random.choice(_STREET)} {self._random.choice(_KIND)}"
        town = self._random.choice(_TOWN)
        return f"{number} {street}{unit}" + (f", {town}" if town else "")

    def draw(self, count: int, *, named: bool) -> Iterator[Column]:
        """Yield `count` columns of each kind of 40 to 300 values, under a plain name or `cN`."""
        for number in range(count):
            for entity, level, names, make in self._kinds:
                rows = self._random.randrange(40, 300)
                missing, noted = (
                    self._random.choice((0, 0, 0.3, 0.6)),
                    self._random.choice((0, 0.05)),
                )
                name = self._random.choice(names) if named else f"c{number}"
                values = tuple(self._cell(make, missing, noted) for _ in range(rows))
                yield Column(name, values, entity, level)

    def _cell(self, make: Callable[[], str], missing: float, noted: float) -> str | None:
        roll = self._random.random()
        if roll < missing:
            return None
        return self._random.choice(_NOTES) if roll > 1 - noted else make()
