"""Semantic types: what a field means, how its text is written, how sensitive it is by default.

One table maps a type to its kind, and a kind to its one text: what is committed is that text in
CBOR, or null. Codes, identifiers and decimals stay text, so `007` and `1.10` keep their form; null
is not empty text. Levels and masks are what a draft starts from; the steward decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "decimal", "boolean", "date", "datetime"]


@dataclass(frozen=True, slots=True)
class SemanticType:
    """A type of field. `entity` is what detectors call it, with Presidio's names."""

    name: str
    kind: Kind
    zh: str
    en: str
    level: int = 1
    mask: str | None = None
    entity: str | None = None


_TABLE = (
    SemanticType("text", "text", "文本", "text"),
    SemanticType("code", "text", "代码", "code"),
    SemanticType("identifier", "text", "编号", "identifier", 2),
    SemanticType("integer", "integer", "整数", "whole number"),
    SemanticType("decimal", "decimal", "小数", "decimal number"),
    SemanticType("amount", "decimal", "金额", "amount of money"),
    SemanticType("boolean", "boolean", "是否", "yes or no"),
    SemanticType("date", "date", "日期", "date"),
    SemanticType("datetime", "datetime", "日期时间", "date and time"),
    SemanticType("year", "integer", "年份", "year"),
    SemanticType("url", "text", "网址", "web address", entity="URL"),
    SemanticType("division-code", "text", "行政区划代码", "administrative division code"),
    SemanticType("organisation", "text", "机构名称", "name of an organisation"),
    SemanticType("credit-code", "text", "统一社会信用代码", "unified social credit code", 1, None,
                 "CN_CREDIT_CODE"),
    SemanticType("person-name", "text", "姓名", "name of a person", 3, "name", "PERSON"),
    SemanticType("resident-id", "text", "公民身份号码", "resident identity number", 4,
                 "resident-id", "CN_RESIDENT_ID"),
    SemanticType("residence-permit", "text", "居住证号码", "residence permit number", 4,
                 "resident-id", "CN_RESIDENCE_PERMIT"),
    SemanticType("driving-licence", "text", "驾驶证档案编号", "driving licence number", 4,
                 "keep-last", "CN_DRIVING_LICENCE"),
    SemanticType("passport", "text", "护照号码", "passport number", 4, "passport", "CN_PASSPORT"),
    SemanticType("travel-permit", "text", "通行证号码", "travel permit number", 4, "passport",
                 "CN_TRAVEL_PERMIT"),
    SemanticType("tax-number", "text", "纳税人识别号", "tax or social security number", 4,
                 "keep-last", "TAX_NUMBER"),
    SemanticType("bank-card", "text", "银行卡号", "bank card number", 4, "bank-card",
                 "CREDIT_CARD"),
    SemanticType("iban", "text", "国际银行账号", "international bank account number", 4,
                 "bank-card", "IBAN_CODE"),
    SemanticType("phone", "text", "电话号码", "telephone number", 3, "phone", "PHONE_NUMBER"),
    SemanticType("email", "text", "电子邮箱", "e-mail address", 3, "email", "EMAIL_ADDRESS"),
    SemanticType("address", "text", "地址", "postal address", 3, "address", "ADDRESS"),
    SemanticType("plate", "text", "车牌号", "licence plate", 3, "plate", "CN_LICENSE_PLATE"),
    SemanticType("ip-address", "text", "网络地址", "internet address", 3, "ip", "IP_ADDRESS"),
    SemanticType("mac-address", "text", "物理地址", "hardware address", 3, "mac", "MAC_ADDRESS"),
    SemanticType("coordinates", "text", "经纬度", "coordinates", 3, "coordinates", "COORDINATES"),
    SemanticType("birth-date", "date", "出生日期", "date of birth", 3, "date-year",
                 "DATE_OF_BIRTH"),
    SemanticType("sex", "text", "性别", "sex", 2, entity="SEX"),
    SemanticType("health", "text", "健康信息", "health data", 4, "redact", "HEALTH"),
    SemanticType("biometric", "text", "生物识别信息", "biometric data", 4, "redact", "BIOMETRIC"),
    SemanticType("property", "text", "财产信息", "property data", 4, "redact", "PROPERTY"),
    SemanticType("whereabouts", "text", "行踪轨迹", "whereabouts", 4, "redact", "WHEREABOUTS"),
    SemanticType("transaction", "text", "交易记录", "record of a transaction", 4, "redact",
                 "TRANSACTION"),
)  # fmt: skip

TYPES = {each.name: each for each in _TABLE}
BY_ENTITY = {each.entity: each for each in _TABLE if each.entity is not None}
ENTITIES = {entity: each.en for entity, each in BY_ENTITY.items()} | {
    "LOCATION": "place", "ETHNICITY": "ethnicity or religion", "MINOR": "child under 14",
    "US_SSN": "US social security number", "US_DRIVER_LICENSE": "US driving licence number",
    "INTERNAL_TEXT": "text for internal use", "PERSONAL_TEXT": "text about persons",
    "SENSITIVE_TEXT": "sensitive text", "UNKNOWN": "what cannot be read",
}  # fmt: skip
"""What detectors find, in words."""
