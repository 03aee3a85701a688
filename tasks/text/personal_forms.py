"""The forms of personal data, as one compiled search over UTF-8 bytes.

- e-mail: a local part of at most 64 characters and a domain with a dot. Not `user@localhost`, not the `git@` of
  repositories, not names of files and services (`icon@2x.png`, `getty@tty1.service`).
- phone: Chinese mobile numbers by the prefixes in use, plain or grouped 3-4-4, with or without 86; Chinese landlines
  with their area code in brackets or before a hyphen; North American numbers 3-3-4; international ones from `+` and an
  assigned country code, 8 to 15 digits (E.164).
- IP: IPv4 with four numbers below 256, at least one of them above 31 (1.2.3.4 is a version far more often: one in
  4,096 addresses has only small numbers), not after `version`, `v` or 版本; IPv6 of global unicast (2000::/3).
- card: 13 to 19 digits of an issuer in use, plain or grouped as printed, with Luhn's check digit (ISO/IEC 7812).
- IBAN: the length of its country (ISO 13616 registry), 97 as modulus.
- resident id of the People's Republic: 18 characters, a province, a date that exists, the check character (GB 11643).

A candidate begins and ends where no letter, digit, `_` or `@` stands, nor full stops or hyphens with a letter or digit
behind them: `0.4111…`, hashes, ISBNs and dates are pieces of something longer. Everything looks at most some dozens of
bytes ahead and back, so the time is linear whatever the text.
"""

from __future__ import annotations

import numpy as np

from tasks.arrays.utf8 import I32, I64, U8, Bools, compiled
from tasks.text.personal_tables import letters_code

EMAIL, PHONE, IP, CARD, IBAN, RESIDENT_ID = range(6)

MAX_LOCAL = 64
MAX_DOMAIN = 253
SMALL_OCTET = 32

_PLACEHOLDERS = np.array(
    sorted(letters_code(name) for name in ("email", "phone", "ip", "card", "iban", "id")), np.int64
)


@compiled
def search(
    data: U8,
    starts: I64,
    wanted: Bools,
    public_only: bool,
    no_domains: I64,
    versions: I64,
    iban_lengths: I32,
    countries: Bools,
    provinces: Bools,
) -> I64:
    """Returns int64[found, 4]: text, first byte, one past the last byte, kind; in order, none overlapping."""
    spans = np.empty((64, 4), dtype=np.int64)
    size = 0
    for number in range(len(starts) - 1):
        begin = starts[number]
        end = starts[number + 1]
        last = begin - 1  # where the span before ended
        place = begin
        while place < end:
            byte = data[place]
            digit = _digit(byte)
            if not (digit or _letter(byte) or byte == 64 or byte == 43 or byte == 40):
                place += 1
                continue
            first = place
            stop = 0
            kind = -1
            if byte == 64:
                if wanted[EMAIL]:
                    first, stop = _email(data, begin, end, place, last, no_domains)
                    kind = EMAIL
            elif _left_free(data, begin, place, last):
                strict = place == begin or (data[place - 1] != 47 and data[place - 1] != 35)
                if digit:
                    if wanted[RESIDENT_ID] and strict:
                        stop = _resident_id(data, place, end, provinces)
                        kind = RESIDENT_ID
                    if stop == 0 and wanted[CARD] and strict:
                        stop = _card(data, place, end)
                        kind = CARD
                    if stop == 0 and wanted[IP]:
                        stop = _ipv4(data, begin, place, end, public_only, versions)
                        if stop == 0:
                            stop = _ipv6(data, begin, place, end, public_only)
                        kind = IP
                    if stop == 0 and wanted[PHONE] and strict:
                        stop = _national_phone(data, place, end)
                        kind = PHONE
                        if (
                            stop
                            and place - 3 >= max(begin, last + 1)
                            and _wide_bracket(data, place - 3, end, 136)
                            and not _wide_bracket(data, place, end, 136)
                            and _has_wide_end(data, place, stop)
                            and _left_free(data, begin, place - 3, last)
                        ):
                            first = place - 3
                elif byte == 43 or byte == 40:
                    if wanted[PHONE] and strict:
                        stop = (
                            _international(data, place, end, countries) if byte == 43 else _bracketed(data, place, end)
                        )
                        kind = PHONE
                else:
                    if wanted[IBAN] and strict and 65 <= byte <= 90:
                        stop = _iban(data, place, end, iban_lengths)
                        kind = IBAN
                    if stop == 0 and wanted[IP] and not public_only and (byte == 102 or byte == 70):
                        stop = _ipv6(data, begin, place, end, public_only)
                        kind = IP
            if stop > 0:
                if size == len(spans):
                    grown = np.empty((2 * size, 4), dtype=np.int64)
                    for index in range(size):  # a slice would take numba seconds to compile
                        for column in range(4):
                            grown[index, column] = spans[index, column]
                    spans = grown
                spans[size, 0] = number
                spans[size, 1] = first
                spans[size, 2] = stop
                spans[size, 3] = kind
                size += 1
                last = stop
                place = stop
            elif digit or _letter(byte):
                while place < end and (_digit(data[place]) or _letter(data[place])):
                    place += 1
            else:
                place += 1
    return spans[:size]


@compiled
def _digit(byte: int) -> bool:
    return 48 <= byte <= 57


@compiled
def _letter(byte: int) -> bool:
    return 97 <= byte <= 122 or 65 <= byte <= 90


@compiled
def _alnum(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= byte <= 122 or 65 <= byte <= 90


@compiled
def _left_free(data: U8, begin: int, place: int, last: int) -> bool:
    if place == begin:
        return True
    if place == last:
        return False
    before = data[place - 1]
    if _alnum(before) or before == 95 or before == 64:
        return False
    at = place
    while at > begin and (data[at - 1] == 46 or data[at - 1] == 45):
        at -= 1
    if begin < at < place and (_alnum(data[at - 1]) or data[at - 1] == 62):
        return False
    return not (before == 62 and _ends_placeholder(data, begin, place))


@compiled
def _ends_placeholder(data: U8, begin: int, place: int) -> bool:
    """Whether `<` and 2 to 5 capitals, one of the placeholders, stand before `place`, closed by `>`."""
    at = place - 2
    size = 0
    while at >= begin and size < 6 and 65 <= data[at] <= 90:
        at -= 1
        size += 1
    if at < begin or data[at] != 60:
        return False
    return _in(_letters_code(data, at + 1, place - 1), _PLACEHOLDERS)


@compiled
def _right_free(data: U8, place: int, end: int) -> bool:
    if place >= end:
        return True
    after = data[place]
    if _alnum(after) or after == 95 or after == 64:
        return False
    return not ((after == 46 or after == 45) and place + 1 < end and _alnum(data[place + 1]))


@compiled
def _letters_code(data: U8, first: int, stop: int) -> int:
    """Letters, whatever their case, as one number; 0 if there are none, too many, or anything else."""
    if stop <= first or stop - first > 12:
        return 0
    value = 0
    for place in range(first, stop):
        if not _letter(data[place]):
            return 0
        value = value * 27 + (int(data[place]) | 32) - 96
    return value


@compiled
def _in(value: int, values: I64) -> bool:
    found = False
    for known in values:
        found |= value == known
    return bool(found)


@compiled
def _email(data: U8, begin: int, end: int, at: int, last: int, no_domains: I64) -> tuple[int, int]:
    lowest = max(begin, last)
    first = at
    while first > lowest and at - first <= MAX_LOCAL:
        byte = data[first - 1]
        if not (_alnum(byte) or byte == 46 or byte == 95 or byte == 37 or byte == 43 or byte == 45):
            break
        first -= 1
    while first < at and not _alnum(data[first]):
        first += 1
    if first == at or at - first > MAX_LOCAL or data[at - 1] == 46:
        return first, 0
    if first == last or (first > begin and data[first - 1] == 62 and _ends_placeholder(data, begin, first)):
        return first, 0
    if at - first == 3 and data[first] == 103 and data[first + 1] == 105 and data[first + 2] == 116:  # git
        return first, 0
    stop = at + 1
    while stop < end and stop - at <= MAX_DOMAIN + 1:
        byte = data[stop]
        if not (_alnum(byte) or byte == 46 or byte == 45):
            break
        stop += 1
    while stop > at + 1 and not _alnum(data[stop - 1]):
        stop -= 1
    if stop - at > MAX_DOMAIN or not _right_free(data, stop, end):
        return first, 0
    label = at + 1
    dots = 0
    for place in range(at + 1, stop):
        if data[place] == 46:
            if place == label or data[label] == 45 or data[place - 1] == 45 or place - label > 63:
                return first, 0
            dots += 1
            label = place + 1
    if dots == 0 or stop - label < 2 or stop - label > 24:
        return first, 0
    for place in range(label, stop):
        if not _letter(data[place]):
            return first, 0
    if _in(_letters_code(data, label, stop), no_domains):
        return first, 0
    return first, stop


@compiled
def _run(data: U8, place: int, end: int) -> int:
    """Digits in a row from `place`, counted up to 20, which is more than any form asks for."""
    count = 0
    while place + count < end and count < 20 and _digit(data[place + count]):
        count += 1
    return count


@compiled
def _value(data: U8, place: int, count: int) -> int:
    value = 0
    for index in range(place, place + count):
        value = value * 10 + data[index] - 48
    return value


@compiled
def _resident_id(data: U8, place: int, end: int, provinces: Bools) -> int:
    run = _run(data, place, end)
    stop = place + 18
    if run == 17 and stop <= end and (data[place + 17] | 32) == 120:
        check = 10
    elif run == 18:
        check = int(data[place + 17]) - 48
    else:
        return 0
    if not _right_free(data, stop, end) or not provinces[_value(data, place, 2)]:
        return 0
    year = _value(data, place + 6, 4)
    month = _value(data, place + 10, 2)
    day = _value(data, place + 12, 2)
    if year < 1900 or year > 2099 or month < 1 or month > 12 or day < 1:
        return 0
    days = 31
    if month == 4 or month == 6 or month == 9 or month == 11:
        days = 30
    elif month == 2:
        days = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if day > days:
        return 0
    total = 0
    weight = 1
    for index in range(17):  # weights 2^(17 - index) modulo 11
        weight = 1
        for _ in range(17 - index):
            weight = weight * 2 % 11
        total += weight * (int(data[place + index]) - 48)
    return stop if (total + check) % 11 == 1 else 0


@compiled
def _issuer(data: U8, place: int, count: int, digits: I64) -> bool:
    one = digits[0]
    two = digits[0] * 10 + digits[1]
    three = two * 10 + digits[2]
    four = three * 10 + digits[3]
    if one == 4:
        return count == 13 or count == 16 or count == 19
    if two == 34 or two == 37:
        return count == 15
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return count == 16
    if four == 6011 or two == 65 or 644 <= three <= 649 or 3528 <= four <= 3589:
        return 16 <= count <= 19
    if two == 36 or two == 38 or 300 <= three <= 305:
        return count == 14
    return two == 62 and 16 <= count <= 19


@compiled
def _card(data: U8, place: int, end: int) -> int:
    digits = np.empty(19, dtype=np.int64)
    run = _run(data, place, end)
    if 13 <= run <= 19:
        return _card_number(data, place, place + run, end, digits)
    if run != 4 or place + 5 >= end:
        return 0
    separator = data[place + 4]
    if separator != 32 and separator != 45:
        return 0
    groups = np.zeros(5, dtype=np.int64)
    stops = np.zeros(5, dtype=np.int64)
    at = place
    found = 0
    while found < 5:
        size = _run(data, at, end)
        if size == 0 or size > 6:
            break
        groups[found] = size
        stops[found] = at + size
        found += 1
        at += size
        if at + 1 >= end or data[at] != separator:
            break
        at += 1
    if found >= 4 and groups[1] == 4 and groups[2] == 4 and groups[3] == 4:
        if found == 5 and groups[4] == 3:
            stop = _card_number(data, place, stops[4], end, digits)
            if stop:
                return stop
        return _card_number(data, place, stops[3], end, digits)
    if found >= 3 and groups[1] == 6 and (groups[2] == 5 or groups[2] == 4):
        return _card_number(data, place, stops[2], end, digits)
    return 0


@compiled
def _card_number(data: U8, place: int, stop: int, end: int, digits: I64) -> int:
    if not _right_free(data, stop, end):
        return 0
    count = 0
    for index in range(place, stop):
        if _digit(data[index]):
            digits[count] = int(data[index]) - 48
            count += 1
    if not _issuer(data, place, count, digits):
        return 0
    total = 0
    for index in range(count):
        value = digits[count - 1 - index]
        if index % 2 == 1:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return stop if total % 10 == 0 else 0


@compiled
def _iban(data: U8, place: int, end: int, lengths: I32) -> int:
    if place + 4 > end or not (65 <= data[place + 1] <= 90 and _digit(data[place + 2]) and _digit(data[place + 3])):
        return 0
    length = lengths[(data[place] - 65) * 26 + data[place + 1] - 65]
    if length == 0:
        return 0
    characters = np.empty(34, dtype=np.int64)
    at = place
    count = 0
    while count < length and at < end:
        byte = data[at]
        if byte == 32 and count % 4 == 0 and count > 0 and data[at - 1] != 32:
            at += 1
            continue
        if _digit(byte):
            characters[count] = int(byte) - 48
        elif 65 <= byte <= 90:
            characters[count] = int(byte) - 55
        else:
            return 0
        count += 1
        at += 1
    if count < length or not _right_free(data, at, end):
        return 0
    remainder = 0
    for index in range(length):
        value = characters[(index + 4) % length]
        remainder = (remainder * (100 if value > 9 else 10) + value) % 97
    return at if remainder == 1 else 0


@compiled
def _after_version(data: U8, begin: int, place: int, versions: I64) -> bool:
    at = place
    while at > begin and place - at < 4 and (data[at - 1] == 32 or data[at - 1] == 58):
        at -= 1
    if at - 3 >= begin and data[at - 3] == 239 and data[at - 2] == 188 and data[at - 1] == 154:  # ：
        at -= 3
    # 本 of 版本, or 版
    if at - 3 >= begin and data[at - 3] == 230 and data[at - 2] == 156 and data[at - 1] == 172:
        at -= 3
    if at - 3 >= begin and data[at - 3] == 231 and data[at - 2] == 137 and data[at - 1] == 136:
        return True
    stop = at
    while at > begin and stop - at < 13 and _letter(data[at - 1]):
        at -= 1
    if at == stop or (at > begin and (_alnum(data[at - 1]) or data[at - 1] in (46, 45, 95, 64))):
        return False
    return _in(_letters_code(data, at, stop), versions)


@compiled
def _ipv4(data: U8, begin: int, place: int, end: int, public_only: bool, versions: I64) -> int:
    octets = np.zeros(4, dtype=np.int64)
    at = place
    for index in range(4):
        size = _run(data, at, end)
        if size == 0 or size > 3 or (size > 1 and data[at] == 48):
            return 0
        octets[index] = _value(data, at, size)
        if octets[index] > 255:
            return 0
        at += size
        if index < 3:
            if at >= end or data[at] != 46:
                return 0
            at += 1
    if not _right_free(data, at, end) or _after_version(data, begin, place, versions):
        return 0
    a = octets[0]
    b = octets[1]
    c = octets[2]
    public = not (
        a == 0
        or a == 10
        or a == 127
        or a >= 224
        or (a == 100 and 64 <= b <= 127)
        or (a == 169 and b == 254)
        or (a == 172 and 16 <= b <= 31)
        or (a == 192 and b == 168)
        or (a == 192 and b == 0 and (c == 0 or c == 2))
        or (a == 198 and (b == 18 or b == 19))
        or (a == 198 and b == 51 and c == 100)
        or (a == 203 and b == 0 and c == 113)
    )
    if not public:
        return 0 if public_only else at
    return at if max(max(a, b), max(c, octets[3])) >= SMALL_OCTET else 0


@compiled
def _hex(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= byte <= 102 or 65 <= byte <= 70


@compiled
def _ipv6(data: U8, begin: int, place: int, end: int, public_only: bool) -> int:
    if place - 2 >= begin and data[place - 1] == 58 and (_hex(data[place - 2]) or data[place - 2] in (58, 62)):
        return 0
    first = data[place] | 32 if _letter(data[place]) else data[place]
    if first != 50 and first != 51 and (public_only or first != 102):
        return 0
    at = place
    groups = 0
    doubled = False
    head = 0  # the first two groups as a number
    while True:
        size = 0
        while at + size < end and size < 5 and _hex(data[at + size]):
            size += 1
        if size == 0 or size > 4 or (groups == 0 and size != 4):
            return 0
        if groups < 2 and not doubled:
            value = 0
            for index in range(at, at + size):
                value = value * 16 + (data[index] - 48 if _digit(data[index]) else (data[index] | 32) - 87)
            head = head * 65536 + value
        groups += 1
        at += size
        if groups > 8 or at >= end or data[at] != 58 or at + 1 >= end:
            break
        if data[at + 1] == 58:
            if doubled:
                return 0
            doubled = True
            at += 2
            if at >= end or not _hex(data[at]):
                break
        elif _hex(data[at + 1]):
            at += 1
        else:
            break
    if not ((groups == 8 and not doubled) or (3 <= groups <= 7 and doubled)) or not _right_free(data, at, end):
        return 0
    if at < end and data[at] == 58:
        return 0
    if first == 102:
        second = data[place + 1] | 32
        third = data[place + 2] | 32
        local = second == 99 or second == 100 or (second == 101 and (third == 56 or third == 57 or 97 <= third <= 98))
        return at if local else 0
    documentation = head == 0x20010DB8  # RFC 3849
    return 0 if documentation and public_only else at


@compiled
def _mobile_prefix(data: U8, place: int) -> bool:
    if data[place] != 49:
        return False
    second = data[place + 1] - 48
    third = data[place + 2] - 48
    in_use = second == 3 or second == 8
    in_use |= second == 4 and third >= 5
    in_use |= (second == 5 or second == 9) and third != 4
    in_use |= second == 6 and (third == 2 or third == 5 or third == 6 or third == 7)
    in_use |= second == 7 and third <= 8
    return bool(in_use)


@compiled
def _mobile(data: U8, place: int, end: int) -> int:
    run = _run(data, place, end)
    if run == 11 and _mobile_prefix(data, place) and _right_free(data, place + 11, end):
        return place + 11
    if run == 3 and place + 13 <= end and _mobile_prefix(data, place):
        separator = data[place + 3]
        if (
            (separator == 32 or separator == 45)
            and data[place + 8] == separator
            and _run(data, place + 4, end) == 4
            and _run(data, place + 9, end) == 4
            and _right_free(data, place + 13, end)
        ):
            return place + 13
    return 0


@compiled
def _subscriber(data: U8, place: int, end: int, least: int) -> int:
    """A number of `least` to 8 digits that begins with 2 to 9, perhaps with a gap before its last four."""
    if place >= end or not 50 <= data[place] <= 57:
        return 0
    run = _run(data, place, end)
    if least <= run <= 8:
        return place + run if _right_free(data, place + run, end) else 0
    if least - 4 <= run <= 4 and place + run < end and (data[place + run] == 32 or data[place + run] == 45):
        stop = place + run + 5
        if _run(data, place + run + 1, end) == 4 and _right_free(data, stop, end):
            return stop
    return 0


@compiled
def _area(data: U8, place: int, end: int) -> int:
    """Length of a Chinese area code: 010, 02x, or four digits from 0310 on; 0 if it is none."""
    run = _run(data, place, end)
    if run == 3 and data[place] == 48 and ((data[place + 1] == 49 and data[place + 2] == 48) or data[place + 1] == 50):
        return 3
    return 4 if run == 4 and data[place] == 48 and 51 <= data[place + 1] <= 57 else 0


@compiled
def _wide_bracket(data: U8, place: int, end: int, byte: int) -> bool:
    """Whether （ (byte 136) or ） (137) stands at `place`."""
    return place + 2 < end and data[place] == 239 and data[place + 1] == 188 and data[place + 2] == byte


@compiled
def _has_wide_end(data: U8, place: int, stop: int) -> bool:
    return _wide_bracket(data, place + 3, stop, 137) or _wide_bracket(data, place + 4, stop, 137)


@compiled
def _national_phone(data: U8, place: int, end: int) -> int:
    stop = _mobile(data, place, end)
    if stop:
        return stop
    prefix = 0
    if place + 2 < end and data[place] == 56 and data[place + 1] == 54:
        prefix = 2
    elif place + 4 < end and data[place] == 48 and data[place + 1] == 48 and data[place + 2] == 56:
        prefix = 4 if data[place + 3] == 54 else 0
    if prefix:
        at = place + prefix
        if data[at] == 32 or data[at] == 45:
            at += 1
        stop = _mobile(data, at, end)
        if stop:
            return stop
    area = _area(data, place, end)
    if area and place + area < end:
        least = 8 if area == 3 else 7
        if data[place + area] == 45:
            return _subscriber(data, place + area + 1, end, least)
        if _wide_bracket(data, place + area, end, 137):
            return _subscriber(data, place + area + 3, end, least)
    if _run(data, place, end) == 1 and data[place] == 49 and place + 1 < end:
        if data[place + 1] == 45 or data[place + 1] == 46:
            return _north_american(data, place + 2, end, data[place + 1])
        return 0
    if _run(data, place, end) == 3 and place + 3 < end and (data[place + 3] == 45 or data[place + 3] == 46):
        return _north_american(data, place, end, data[place + 3])
    return 0


@compiled
def _north_american(data: U8, place: int, end: int, separator: int) -> int:
    if place + 12 > end or data[place + 3] != separator or data[place + 7] != separator:
        return 0
    if _run(data, place, end) != 3 or _run(data, place + 4, end) != 3 or _run(data, place + 8, end) != 4:
        return 0
    if data[place] < 50 or data[place + 4] < 50 or (data[place + 1] == 49 and data[place + 2] == 49):
        return 0
    return place + 12 if _right_free(data, place + 12, end) else 0


@compiled
def _bracketed(data: U8, place: int, end: int) -> int:
    """`(010) 1234 5678` and `(650) 253-0000`."""
    area = _area(data, place + 1, end)
    if area and place + area + 2 < end and data[place + area + 1] == 41:
        at = place + area + 2
        if data[at] == 32:
            at += 1
        return _subscriber(data, at, end, 8 if area == 3 else 7)
    if _run(data, place + 1, end) != 3 or place + 5 >= end or data[place + 4] != 41:
        return 0
    at = place + 5
    if data[at] == 32:
        at += 1
    if at + 8 > end or data[place + 1] < 50 or not 50 <= data[at] <= 57:
        return 0
    if _run(data, at, end) != 3 or _run(data, at + 4, end) != 4:
        return 0
    if data[at + 3] != 45 and data[at + 3] != 32 and data[at + 3] != 46:
        return 0
    return at + 8 if _right_free(data, at + 8, end) else 0


@compiled
def _international(data: U8, place: int, end: int, countries: Bools) -> int:
    """`+`, an assigned country code, then groups of digits; the longest run of groups that ends freely."""
    at = place + 1
    run = _run(data, at, end)
    if run == 0 or data[at] == 48:
        return 0
    code = 0
    for size in range(1, min(run, 3) + 1):
        if countries[_value(data, at, size)]:
            code = size
    if code == 0:
        return 0
    if run > 3:
        # Without a gap after the country code: the whole number in one run.
        plain = at + run
        if 10 <= run <= 15 and _right_free(data, plain, end):
            return plain
        return 0
    if code != run:
        return 0
    digits = run
    dotted = 0
    groups = 0
    best = 0
    at += run
    while digits <= 15 and at < end:
        gap = data[at]
        after = at + 1
        bracket = False
        if gap == 32 and after < end and data[after] == 40:
            bracket = True
            after += 1
        elif gap == 40:
            bracket = True
        elif gap != 32 and gap != 45 and gap != 46:
            break
        size = _run(data, after, end)
        if size == 0 or size > 11 or (bracket and size > 5):
            break
        if gap == 46:
            dotted += 1
        after += size
        if bracket:
            if after >= end or data[after] != 41:
                break
            after += 1
            if after < end and _digit(data[after]):
                # (0)20…: the digits go on right behind the bracket
                more = _run(data, after, end)
                size += more
                after += more
        digits += size
        groups += 1
        at = after
        if 8 <= digits <= 15 and (dotted == 0 or groups >= 3) and _right_free(data, at, end):
            best = at
    return best
