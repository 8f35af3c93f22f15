"""A made-up Chinese population and enterprise registry with valid check digits, and what is what.

Nobody in it exists. It measures the detectors of `node/data/`, so it shares no code with them:
check digits, formats and decoys are written here once more, from the standards themselves
(GB 11643-1999 and ISO 7064 MOD 11-2 for resident ids, GB 32100-2015 for credit codes, ISO/IEC 7812
for bank cards). Everything follows from the seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

DIVISIONS = Path(__file__).parent.parent / "node" / "data" / "tables" / "cn-divisions.json"
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_DOUBLE = ("欧阳", "上官", "司马", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐")
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红建国文辉力玲鑫宇晨浩然子轩梓涵欣怡诗雨泽佳琪思远"
    "志海波斌婷婉清嘉豪俊熙若曦雅琴慧颖博文瑞雪春梅兰香凤莲云飞龙虎东升立新永康德胜"
)
_MINORITY = ("阿不都热合曼·买买提", "古丽娜尔·艾合买提", "迪丽拜尔·吐尔逊", "巴特尔·其木格")
_ROADS = (
    "解放",
    "人民",
    "中山",
    "建设",
    "和平",
    "新华",
    "长江",
    "文化",
    "光明",
    "幸福",
    "朝阳",
    "滨河",
)
_ESTATES = ("阳光花园", "锦绣家园", "翠湖小区", "万科城", "金色年华", "书香名邸", "碧水湾")
_TRADES = (
    "科技",
    "贸易",
    "建筑工程",
    "餐饮管理",
    "物流",
    "医药",
    "信息技术",
    "农业发展",
    "文化传媒",
)
_BRANDS = (
    "华信",
    "鼎盛",
    "瑞丰",
    "恒通",
    "天成",
    "博雅",
    "远景",
    "金桥",
    "星辰",
    "宏图",
    "卓越",
    "嘉禾",
)
_BINS = ("622202", "621700", "622848", "621661", "622588", "436742", "356895", "520169")
_MOBILE = ("130", "131", "135", "136", "137", "138", "139", "150", "151", "158", "159", "166",
           "170", "176", "177", "180", "186", "187", "188", "189", "191", "199")  # fmt: skip
_AREA = ("010", "021", "022", "0571", "0755", "0371", "0531", "0991", "0851", "0471")
_PLATE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class Area:
    code: str
    names: tuple[str, ...]


def areas() -> list[Area]:
    """Return the divisions of the lowest level with the names above them."""
    found = []
    for province in json.loads(DIVISIONS.read_text(encoding="utf-8")):
        for city in province["children"]:
            for county in city["children"]:
                names = (province["name"], city["name"], county["name"])
                found.append(Area(county["code"][:6], names))
    return found


@dataclass(frozen=True, slots=True)
class Labelled:
    """Text and its findings: (start, end, entity) in code points."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


class Population:
    """Draws people, enterprises, columns and documents."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._areas = [area for area in areas() if len(area.code) == 6]

    def _digits(self, count: int) -> str:
        return "".join(self._random.choice("0123456789") for _ in range(count))

    def birth(self) -> date:
        return date(1945, 1, 1) + timedelta(days=self._random.randrange(365 * 68))

    def resident_id(self) -> str:
        body = self._random.choice(self._areas).code + self.birth().strftime("%Y%m%d")
        body += self._digits(3)
        total = 0
        for place, digit in enumerate(body):
            total += int(digit) * (2 ** (17 - place))
        check = (12 - total % 11) % 11
        return body + ("X" if check == 10 else str(check))

    def old_id(self) -> str:
        born = date(1930, 1, 1) + timedelta(days=self._random.randrange(365 * 60))
        return self._random.choice(self._areas).code + born.strftime("%y%m%d") + self._digits(3)

    def credit_code(self) -> str:
        """A unified social credit code (18 characters), with the organisation code inside."""
        kind = self._random.choice(("91", "92", "93", "11", "12", "51", "52"))
        organisation = "".join(
            self._random.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(8)
        )
        total = 0
        for weight, char in zip((3, 7, 9, 10, 5, 8, 4, 2), organisation, strict=True):
            total += weight * "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(char)
        inner = 11 - total % 11
        organisation += {10: "X", 11: "0"}.get(inner, str(inner))
        body = kind + self._random.choice(self._areas).code + organisation
        total = sum(_CREDIT.index(char) * pow(3, i, 31) for i, char in enumerate(body))
        return body + _CREDIT[(31 - total % 31) % 31]

    def bank_card(self) -> str:
        prefix = self._random.choice(_BINS)
        size = 19 if prefix.startswith("62") and self._random.random() < 0.7 else 16
        body = prefix + self._digits(size - len(prefix) - 1)
        doubled = 0
        for place, char in enumerate(reversed(body)):
            value = int(char) * (2 if place % 2 == 0 else 1)
            doubled += value - 9 if value > 9 else value
        return body + str(-doubled % 10)

    def mobile(self) -> str:
        plain = self._random.choice(_MOBILE) + self._digits(8)
        shape = self._random.random()
        if shape < 0.7:
            return plain
        if shape < 0.85:
            return f"{plain[:3]}-{plain[3:7]}-{plain[7:]}"
        return "+86 " + plain if shape < 0.93 else "+86" + plain

    def landline(self) -> str:
        area = self._random.choice(_AREA)
        size = 8 if len(area) == 3 or area in ("0571", "0755", "0371", "0531") else 7
        return f"{area}-{self._random.choice('23456789')}{self._digits(size - 1)}"

    def name(self) -> str:
        roll = self._random.random()
        if roll < 0.01:
            return self._random.choice(_MINORITY)
        surname = self._random.choice(_DOUBLE) if roll < 0.03 else self._random.choice(_SURNAMES)
        count = 1 if self._random.random() < 0.2 else 2
        return surname + "".join(self._random.choice(_GIVEN) for _ in range(count))

    def address(self) -> str:
        names = [n for n in self._random.choice(self._areas).names if n not in ("市辖区", "县")]
        road = self._random.choice(_ROADS) + self._random.choice(("路", "街", "大道"))
        number = f"{self._random.randrange(1, 999)}号"
        tail = self._random.choice(
            ("", f"{self._random.choice(_ESTATES)}{self._random.randrange(1, 30)}栋"
                 f"{self._random.randrange(1, 5)}单元{self._random.randrange(101, 2805)}室",
             f"{self._random.randrange(1, 20)}号楼{self._random.randrange(101, 2805)}室")
        )  # fmt: skip
        return "".join(names) + road + number + tail

    def plate(self) -> str:
        start = self._random.choice(_PLATE) + self._random.choice("ABCDEFG")
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
        if self._random.random() < 0.2:  # new energy: six places, D or F first
            return start + self._random.choice("DF") + self._digits(5)
        return start + "".join(self._random.choice(letters) for _ in range(4)) + self._digits(1)

    def passport(self) -> str:
        return self._random.choice("EG") + self._digits(8)

    def email(self) -> str:
        user = "".join(self._random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7))
        host = self._random.choice(("example.cn", "mail.example.com", "example.gov.cn"))
        return f"{user}{self._digits(2)}@{host}"

    def company(self) -> str:
        area = self._random.choice(self._areas).names
        place = area[0] if area[1] in ("市辖区", "县") else area[1]
        return (place + self._random.choice(_BRANDS) + self._random.choice(_TRADES)
                + self._random.choice(("有限公司", "股份有限公司", "有限责任公司")))  # fmt: skip

    def order_number(self) -> str:
        """A decoy: 18 digits that begin like an identifier and fail every check digit."""
        while True:
            body = "2" + self._digits(17)
            if _luhn(body) or _mod11(body):
                continue
            return body

    def false_id(self) -> str:
        """A decoy: a resident id with a wrong check digit or an impossible day of birth."""
        good = self.resident_id()
        if self._random.random() < 0.5:
            return good[:17] + str((int(good[17].replace("X", "0")) + 3) % 10)
        body = good[:10] + "1332" + good[14:17]
        total = sum(int(d) * 2 ** (17 - i) for i, d in enumerate(body))
        check = (12 - total % 11) % 11
        return body + ("X" if check == 10 else str(check))

    def people(self, count: int) -> Iterator[dict[str, str]]:
        """Yield rows of ten columns, as a civil registry has them."""
        for number in range(1, count + 1):
            identity = self.resident_id()
            born = identity[6:14]
            yield {
                "record_no": f"P{number:08}",
                "name": self.name(),
                "resident_id": identity,
                "birth_date": f"{born[:4]}-{born[4:6]}-{born[6:]}",
                "sex": "男" if int(identity[16]) % 2 else "女",
                "mobile": self.mobile(),
                "email": self.email(),
                "address": self.address(),
                "bank_card": self.bank_card(),
                "updated": (date(2026, 1, 1) + timedelta(days=number % 270)).isoformat(),
            }

    def enterprises(self, count: int) -> Iterator[dict[str, str]]:
        """Yield rows of ten columns, as a market regulator has them."""
        for _ in range(count):
            yield {
                "credit_code": self.credit_code(),
                "name": self.company(),
                "legal_person": self.name(),
                "phone": self.landline(),
                "address": self.address(),
                "capital_cny": str(self._random.randrange(10, 90_000) * 10_000),
                "founded": (
                    date(1985, 1, 1) + timedelta(days=self._random.randrange(14_000))
                ).isoformat(),
                "status": self._random.choice(("存续", "注销", "吊销", "迁出")),
                "employees": str(self._random.randrange(1, 4_000)),
                "order_no": self.order_number(),
            }

    def sentence(self) -> Labelled:
        """A sentence in which identifiers touch Chinese characters, each other, or a decoy."""
        parts = self._random.choice(_SENTENCES)
        text, spans = "", []
        for part in parts:
            if not part.startswith("<"):
                text += part
                continue
            kind = part[1:-1]
            value = self._draw(kind)
            if kind in _ENTITIES:
                spans.append((len(text), len(text) + len(value), _ENTITIES[kind]))
            text += value
        return Labelled(text, tuple(spans))

    def _draw(self, kind: str) -> str:
        return str(getattr(self, kind)())

    def document(self) -> tuple[str, int]:
        """Return a text of several sentences and the sharing level that belongs to it.

        3 as soon as one person can be found in it, 4 with an identity number or card; else 1.
        """
        level = self._random.choice((1, 1, 3, 4))
        lines = [self._random.choice(_PLAIN) for _ in range(self._random.randrange(4, 12))]
        for _ in range(0 if level == 1 else self._random.randrange(1, 5)):
            pool = _L4 if level == 4 else _L3
            parts = self._random.choice(pool)
            line = "".join(self._draw(p[1:-1]) if p.startswith("<") else p for p in parts)
            lines.insert(self._random.randrange(len(lines)), line)
        if self._random.random() < 0.4:
            lines.append(f"流水号{self.order_number()}。")
        return "\n".join(lines), level


def _luhn(text: str) -> bool:
    total = 0
    for place, char in enumerate(reversed(text)):
        value = int(char) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _mod11(text: str) -> bool:
    return sum(int(d) * 2 ** (17 - i) for i, d in enumerate(text)) % 11 == 1


_ENTITIES = {
    "resident_id": "CN_RESIDENT_ID",
    "credit_code": "CN_CREDIT_CODE",
    "bank_card": "CREDIT_CARD",
    "mobile": "PHONE_NUMBER",
    "landline": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "plate": "CN_LICENSE_PLATE",
    "passport": "CN_PASSPORT",
    "address": "ADDRESS",
    "name": "PERSON",
}
_SENTENCES = (
    ("申请人", "<name>", "，身份证号", "<resident_id>", "，联系电话", "<mobile>", "。"),
    ("公民身份号码", "<resident_id>", "已核验，订单", "<order_number>", "已支付。"),
    ("请将款项汇入", "<bank_card>", "账户，手机", "<mobile>", "。"),
    ("企业统一社会信用代码", "<credit_code>", "，电话", "<landline>", "。"),
    ("车牌号", "<plate>", "的车主邮箱为", "<email>", "。"),
    ("护照号码", "<passport>", "，电话:", "<mobile>", "/", "<landline>", "。"),
    ("ID:", "<resident_id>", "TEL:", "<mobile>", "CARD:", "<bank_card>"),
    ("住址：", "<address>", "，邮编310000。"),
    ("流水号", "<order_number>", "，无效证件", "<false_id>", "，请重新提交。"),
    ("会议定于2026年9月1日上午9时在三楼会议室召开，文号国办发2026第15号。",),
    ("本季度完成投资1234567.89万元，同比增长12.5%，合同编号", "<order_number>", "。"),
    ("联系人：", "<name>", "，住址：", "<address>", "，卡号", "<bank_card>", "。"),
)
_L3 = (
    ("联系人：", "<name>", "，电话", "<mobile>", "。"),
    ("住址：", "<address>", "。"),
    ("如有疑问请致电", "<mobile>", "或发邮件至", "<email>", "。"),
    ("涉案车辆车牌为", "<plate>", "，车主：", "<name>", "。"),
)
_L4 = (
    ("申请人：", "<name>", "，身份证号", "<resident_id>", "。"),
    ("退款账户", "<bank_card>", "，户名：", "<name>", "。"),
    ("公民身份号码", "<resident_id>", "，手机", "<mobile>", "。"),
)
_PLAIN = (
    "为进一步优化营商环境，现将有关事项通知如下。",
    "各部门应当在十个工作日内完成数据目录的编制和更新。",
    "本办法自2026年1月1日起施行，有效期五年。",
    "全市共受理政务服务事项38214件，按时办结率达99.2%。",
    "项目总投资约12600万元，计划2027年竣工。",
    "会议强调，要坚持统一标准、分级负责、依法共享的原则。",
    "经研究，同意该项目立项，文号为发改投资2026第118号。",
    "附件：政务信息资源目录（2026年版）。",
    "The quarterly report covers 31 provinces and 342 prefectures.",
)
