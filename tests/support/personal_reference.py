"""Personal data by regular expressions and plain Python, one text at a time: what the compiled search must equal."""

from __future__ import annotations

import ipaddress
import re
from datetime import date

from tasks.text import personal_forms as forms
from tasks.text import personal_tables as tables
from tasks.text.personal import KINDS, PLACEHOLDERS

ALNUM = "[A-Za-z0-9]"
LEFT = re.compile(r"(?<![A-Za-z0-9_@])" + "".join(f"(?<!{name})" for name in PLACEHOLDERS))
RIGHT = rf"(?![A-Za-z0-9_@]|[.-]{ALNUM})"
CARD = [
    re.compile(form + RIGHT)
    for form in (
        r"\d{13,19}(?!\d)",
        r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}\1\d{3}(?!\d)",
        r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?!\d)",
        r"\d{4}([ -])\d{6}\1\d{4,5}(?!\d)",
    )
]
ID = re.compile(r"\d{17}[0-9Xx]" + RIGHT)
MOBILE_PREFIX = r"1(?:3\d|8\d|4[5-9]|5[0-35-9]|9[0-35-9]|6[2567]|7[0-8])"
MOBILE = rf"(?:{MOBILE_PREFIX}\d{{8}}|{MOBILE_PREFIX}([ -])\d{{4}}\1\d{{4}})"
AREA_3, AREA_4 = r"(?:010|02\d)", r"0[3-9]\d\d"
NUMBER_8 = r"(?:[2-9]\d{7}|[2-9]\d{3}[ -]\d{4})"
NUMBER_7 = r"(?:[2-9]\d{6,7}|[2-9]\d{2,3}[ -]\d{4})"
NATIONAL = [
    re.compile(form + r"(?!\d)" + RIGHT)
    for form in (
        MOBILE,
        rf"(?:86|0086)[ -]?{MOBILE}",
        rf"{AREA_3}(?:-|）){NUMBER_8}",
        rf"{AREA_4}(?:-|）){NUMBER_7}",
        r"1([-.])[2-9](?!11)\d\d\1[2-9]\d\d\1\d{4}",
        r"[2-9](?!11)\d\d([-.])[2-9]\d\d\1\d{4}",
    )
]
BRACKETED = [
    re.compile(form + r"(?!\d)" + RIGHT)
    for form in (
        rf"\({AREA_3}\) ?{NUMBER_8}",
        rf"\({AREA_4}\) ?{NUMBER_7}",
        r"\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}",
    )
]
IPV4 = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})(?!\d)" + RIGHT)
IPV6 = re.compile(r"[23][0-9A-Fa-f]{3}(?::{1,2}[0-9A-Fa-f]{1,4})*(?:::)?(?![0-9A-Fa-f:])" + RIGHT)
IBAN = re.compile(r"[A-Z]{2}\d\d(?: ?[A-Z0-9])+")
EMAIL_DOMAIN = re.compile(r"[A-Za-z0-9.-]*[A-Za-z0-9]")
LOCAL = re.compile(r"[A-Za-z0-9._%+-]*\Z")


def left_free(text: str, at: int) -> bool:
    return LEFT.match(text, at) is not None and not re.search(r"[A-Za-z0-9>][.-]+\Z", text[:at])


def luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def issuer(digits: str) -> bool:
    size = len(digits)
    four = int(digits[:4])
    two = four // 100
    return (
        (four // 1000 == 4 and size in (13, 16, 19))
        or (two in (34, 37) and size == 15)
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or ((four == 6011 or two == 65 or 644 <= four // 10 <= 649 or 3528 <= four <= 3589) and 16 <= size <= 19)
        or ((two in (36, 38) or 300 <= four // 10 <= 305) and size == 14)
        or (two == 62 and 16 <= size <= 19)
    )


def resident(found: str) -> bool:
    if int(found[:2]) not in tables.numbers(tables.PROVINCES) or not 1900 <= int(found[6:10]) <= 2099:
        return False
    try:
        date(int(found[6:10]), int(found[10:12]), int(found[12:14]))
    except ValueError:
        return False
    check = 10 if found[17] in "Xx" else int(found[17])
    return (sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(found[:17])) + check) % 11 == 1


def after_version(before: str) -> bool:
    stripped = re.sub(r"[ :]{0,4}\Z", "", before).removesuffix("：")
    if stripped.endswith(("版本", "版")):
        return True
    words = "|".join(tables.VERSION_WORDS.split())
    return re.search(rf"(?<![A-Za-z0-9._@-])(?:{words})\Z", stripped, re.I) is not None


def ipv4(text: str, at: int) -> int:
    found = IPV4.match(text, at)
    if found is None or max(map(int, found[0].split("."))) > 255 or after_version(text[:at]):
        return 0
    public = ipaddress.ip_address(found[0]).is_global and not ipaddress.ip_address(found[0]).is_multicast
    return found.end() if public and max(map(int, found[0].split("."))) >= forms.SMALL_OCTET else 0


def ipv6(text: str, at: int) -> int:
    if re.search(r"[0-9A-Fa-f:>]:\Z", text[:at]):
        return 0
    found = IPV6.match(text, at)
    if found is None:
        return 0
    try:
        address = ipaddress.IPv6Address(found[0])
    except ValueError:
        return 0
    groups = len([group for group in found[0].split(":") if group])
    documented = address in ipaddress.ip_network("2001:db8::/32")
    return found.end() if groups >= 3 and not documented else 0


def iban(text: str, at: int) -> int:
    found = IBAN.match(text, at)
    length = tables.tables()[2].reshape(26, 26)[ord(found[0][0]) - 65, ord(found[0][1]) - 65] if found else 0
    if found is None or not length:
        return 0
    kept = ""
    for place in range(at, len(text)):
        if text[place] != " ":
            kept += text[place]
        elif len(kept) % 4 or text[place - 1] == " ":
            return 0
        if len(kept) == length:
            number = (
                "".join(str(int(char, 36)) for char in kept[4:] + kept[:4]) if re.fullmatch("[A-Z0-9]+", kept) else "0"
            )
            return place + 1 if int(number) % 97 == 1 and re.compile(RIGHT).match(text, place + 1) else 0
    return 0


def international(text: str, at: int) -> int:
    code = re.compile(r"\+([1-9]\d{0,15})").match(text, at)
    codes = {str(number) for number in tables.numbers(tables.COUNTRY_CODES)}
    if code is None or not any(code[1][:size] in codes for size in (1, 2, 3)):
        return 0
    free = re.compile(RIGHT)
    if len(code[1]) > 3:
        return code.end() if 10 <= len(code[1]) <= 15 and free.match(text, code.end()) else 0
    if code[1] not in codes:
        return 0
    group = re.compile(r"(?: ?\((\d{1,5})\)(\d{0,12})|([ .-])(\d{1,12}))")
    place, digits, groups, dotted, best = code.end(), len(code[1]), 0, 0, 0
    while digits <= 15:
        found = group.match(text, place)
        if found is None or len(found[4] or "") > 11:
            break
        dotted += found[3] == "."
        digits += len(found[1] or "") + len(found[2] or "") + len(found[4] or "")
        groups += 1
        place = found.end()
        if 8 <= digits <= 15 and (not dotted or groups >= 3) and free.match(text, place):
            best = place
    return best


def email(text: str, at: int, last: int) -> tuple[int, int]:
    local = LOCAL.search(text[:at], max(last, 0)) if last <= at else None
    if local is None:
        return 0, 0
    begin = local.start()
    if at - begin > forms.MAX_LOCAL:
        return 0, 0
    begin += len(local[0]) - len(local[0].lstrip("._%+-"))
    if begin == at or text[at - 1] == "." or text[begin:at] == "git":
        return 0, 0
    if begin == last or text[:begin].endswith(PLACEHOLDERS):
        return 0, 0
    domain = EMAIL_DOMAIN.match(text, at + 1)
    if domain is None or not re.compile(RIGHT).match(text, domain.end()):
        return 0, 0
    labels = domain[0].split(".")
    top = labels[-1]
    fine = len(labels) > 1 and all(label and label[0] != "-" and label[-1] != "-" for label in labels)
    known = top.lower() not in tables.NO_TOP_LEVEL_DOMAINS.split()
    return (begin, domain.end()) if fine and known and re.fullmatch("[A-Za-z]{2,24}", top) else (0, 0)


def find(text: str) -> list[tuple[int, int, str]]:
    """Returns (begin, end, kind) of all personal data in ASCII or other text, in characters."""
    found: list[tuple[int, int, str]] = []
    place, last = 0, -1
    while place < len(text):
        char = text[place]
        begin, stop, kind = place, 0, ""
        starts = place == 0 or not re.match(ALNUM, text[place - 1]) or place == last
        if char == "@":
            begin, stop = email(text, place, last)
            kind = "email"
        elif re.match(r"[A-Za-z0-9+(]", char) and starts and place != last and left_free(text, place):
            strict = place == 0 or text[place - 1] not in "/#"
            tries: list[tuple[str, int]] = []
            if re.match(r"\d", char, re.ASCII):
                if strict:
                    match = ID.match(text, place)
                    tries.append(("resident_id", match.end() if match and resident(match[0]) else 0))
                    for form in CARD:
                        match = form.match(text, place)
                        digits = re.sub(r"\D", "", match[0]) if match else ""
                        tries.append(("card", match.end() if match and issuer(digits) and luhn(digits) else 0))
                tries += [("ip", ipv4(text, place)), ("ip", ipv6(text, place))]
                if strict:
                    matches = [form.match(text, place) for form in NATIONAL]
                    tries += [("phone", match.end() if match else 0) for match in matches]
            elif strict and char == "+":
                tries.append(("phone", international(text, place)))
            elif strict and char == "(":
                tries += [
                    ("phone", match.end() if match else 0) for match in (form.match(text, place) for form in BRACKETED)
                ]
            elif strict:
                tries.append(("iban", iban(text, place)))
            kind, stop = next(((kind, end) for kind, end in tries if end), ("", 0))
            if kind == "phone" and "）" in text[place:stop] and text[place - 1 : place] == "（" and place - 1 > last:
                begin = place - 1 if left_free(text, place - 1) else place
        if stop:
            assert kind in KINDS
            found.append((begin, stop, kind))
            last = place = stop
        else:
            place += 1
    return found


def replace(text: str) -> str:
    names = dict(zip(KINDS, PLACEHOLDERS, strict=True))
    for begin, stop, kind in reversed(find(text)):
        text = text[:begin] + names[kind] + text[stop:]
    return text
