"""The compiled loops over documents: counts of characters, and the measures of the published rules.

Those take one pass over the characters of a text, and one over its units for each length of n-gram.

A *unit* is what an n-gram is made of. In English it is a run of anything but white space, as in the papers' own code;
in Chinese it is a Han or kana character, or a run of other letters and digits, and punctuation is left out. A *word* is
a unit with a letter or digit in it. `tests/support/clean_reference.py` says the same in plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.arrays.utf8 import I64, U8, U64, Bools, compiled
from tasks.clean.classes import CharacterClass

MIN_RUN = 10
"""From this length on, a run of one character is counted as repetition."""

_SYMBOL, _SPACE = int(CharacterClass.SYMBOL), int(CharacterClass.SPACE)
_LETTER_CLASSES = (
    int(CharacterClass.LATIN),
    int(CharacterClass.HAN),
    int(CharacterClass.KANA),
    int(CharacterClass.FOREIGN),
)
_WORD_CLASSES = (
    int(CharacterClass.LATIN),
    int(CharacterClass.FOREIGN),
    int(CharacterClass.DIGIT),
    int(CharacterClass.MARK),
)

LETTER, IN_WORD, SINGLE, SPACE, TERMINAL, SENTENCE_END, BULLET, CLOSING = (np.uint8(1 << bit) for bit in range(8))
"""What a character is for the rules; it may be several of these."""

COLUMNS = (
    "units",
    "rule_words",
    "letter_words",
    "word_size",
    "hashes",
    "ellipses",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
    "punctuated_lines",
    "short_lines",
    "line_size",
    "repeated_lines",
    "repeated_line_size",
    "paragraphs",
    "repeated_paragraphs",
    "repeated_paragraph_size",
    "stop_words",
    "unit_size",
    "newlines",
    "sentences",
)
"""What `measure` counts; sizes are characters."""


_SEED = np.uint64(0x2545F4914F6CDD1D)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S29 = np.uint64(29)
_S32 = np.uint64(32)


@compiled
def _mixed(value: Any, item: Any) -> Any:
    value = (value ^ item) * _MULTIPLIER
    return value ^ (value >> _S29)


@compiled
def _final(value: Any) -> Any:
    value = value * _MIX
    return value ^ (value >> _S32)


@compiled
def word_hash(points: I64) -> Any:
    """Hashes a word given as code points."""
    value = _SEED
    for point in points:
        value = _mixed(value, np.uint64(point))
    return _final(value)


def word_hashes(words: tuple[str, ...]) -> U64:
    """Hashes words as `measure` does, sorted."""
    found = np.array([word_hash(np.array([ord(char) for char in word], np.int64)) for word in words], np.uint64)
    return np.unique(found)


@compiled
def _slot(keys: U64, stamps: I64, stamp: Any, key: Any) -> Any:
    """Where a key stands in an open table, or would; what bears another stamp counts as free."""
    mask = np.uint64(len(keys) - 1)
    place = key & mask
    while stamps[place] == stamp and keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return np.int64(place)


@compiled
def line_words(data: U8, begins: I64, ends: I64, chinese: Bools, table: U8) -> tuple[I64, Bools]:
    """Counts the words of each line (bytes `begins` to `ends`), and whether it ends with a terminal mark."""
    words = np.zeros(len(begins), dtype=np.int64)
    terminal = np.zeros(len(begins), dtype=np.bool_)
    for line in range(len(begins)):
        place = begins[line]
        inside = False
        alive = False
        flags = np.uint8(0)
        while place < ends[line]:
            byte = np.int64(data[place])
            if byte < 128:
                point = byte
                place += 1
            elif byte < 224:
                point = ((byte & 31) << 6) | (data[place + 1] & 63)
                place += 2
            elif byte < 240:
                point = ((byte & 15) << 12) | ((data[place + 1] & 63) << 6) | (data[place + 2] & 63)
                place += 3
            else:
                point = (
                    ((byte & 7) << 18)
                    | ((data[place + 1] & 63) << 12)
                    | ((data[place + 2] & 63) << 6)
                    | (data[place + 3] & 63)
                )
                place += 4
            flags = table[point]
            if chinese[line]:
                if flags & SINGLE:
                    words[line] += 1
                    inside = False
                elif flags & IN_WORD:
                    if not inside:
                        words[line] += 1
                    inside = True
                else:
                    inside = False
            elif flags & SPACE:
                alive = False
            elif flags & IN_WORD and not alive:
                words[line] += 1
                alive = True
        terminal[line] = flags & TERMINAL != 0
    return words, terminal


@compiled
def _repeats(hashes: U64, sizes: I64) -> tuple[Any, Any]:
    """Counts the items that stood before, and their characters."""
    room = 8
    while room < 2 * len(hashes):
        room *= 2
    keys = np.empty(room, dtype=np.uint64)
    stamps = np.zeros(room, dtype=np.int64)
    count = np.int64(0)
    size = np.int64(0)
    for index in range(len(hashes)):
        where = _slot(keys, stamps, 1, hashes[index])
        if stamps[where]:
            count += 1
            size += sizes[index]
        keys[where] = hashes[index]
        stamps[where] = 1
    return count, size


@compiled
def count_characters(data: U8, starts: I64, classes: U8) -> I64:
    """Counts for each text, in columns: characters of each class; words; characters in long runs of one character;
    those of them that are symbols; characters in lines with a letter; those of lines that stood before."""
    count = len(starts) - 1
    found = np.zeros((count, 13), dtype=np.int64)
    for number in range(count):
        row = found[number]
        place = starts[number]
        end = starts[number + 1]
        newlines = 0
        for index in range(place, end):
            newlines += data[index] == 10
        lines = np.empty(newlines + 1, dtype=np.uint64)
        sizes = np.empty(newlines + 1, dtype=np.int64)
        line_count = 0
        line_hash = _SEED
        line_chars = 0
        pending_chars = 0
        has_letter = False
        in_word = False
        before = -1
        run = 0
        while place <= end:
            byte = 10 if place == end else int(data[place])
            if byte < 128:
                point = byte
                width = 1
            elif byte < 224:
                point = ((byte & 31) << 6) | (data[place + 1] & 63)
                width = 2
            elif byte < 240:
                point = ((byte & 15) << 12) | ((data[place + 1] & 63) << 6) | (data[place + 2] & 63)
                width = 3
            else:
                point = (
                    ((byte & 7) << 18)
                    | ((data[place + 1] & 63) << 12)
                    | ((data[place + 2] & 63) << 6)
                    | (data[place + 3] & 63)
                )
                width = 4
            kind = classes[point]
            if place < end:
                row[kind] += 1
            place += width
            if point == before:
                run += 1
            else:
                if run >= MIN_RUN and classes[before] != _SPACE:
                    row[9] += run
                    if classes[before] == _SYMBOL:
                        row[10] += run
                run = 1
                before = point
            word = kind in _WORD_CLASSES
            if word and not in_word:
                row[8] += 1
            in_word = word
            if point == 10:
                if has_letter:
                    lines[line_count] = _final(line_hash)
                    sizes[line_count] = line_chars
                    row[11] += line_chars
                    line_count += 1
                line_hash = _SEED
                line_chars = 0
                pending_chars = 0
                has_letter = False
            elif point == 32 or point == 9:
                if line_chars > 0:
                    pending_chars += 1
            else:
                for index in range(place - width - pending_chars, place):
                    line_hash = _mixed(line_hash, np.uint64(data[index]))
                line_chars += pending_chars + 1
                pending_chars = 0
                if kind in _LETTER_CLASSES:
                    has_letter = True
        _, row[12] = _repeats(lines[:line_count], sizes[:line_count])
    return found


@compiled
def _ngrams(units: U64, sizes: I64, top: I64, repeated: I64, top_size: I64, repeated_size: I64) -> None:
    """Fills in, for one text, what `measure` says of its n-grams; hashes of n units come from those of n - 1."""
    most = np.int64(0)
    for n in top:
        most = max(most, n)
    for n in repeated:
        most = max(most, n)
    room = 8
    while room < 2 * len(units):
        room *= 2
    keys = np.empty(room, dtype=np.uint64)
    stamps = np.zeros(room, dtype=np.int64)
    times = np.empty(room, dtype=np.int64)
    sums = np.zeros(len(units) + 1, dtype=np.int64)
    for index in range(len(units)):
        sums[index + 1] = sums[index] + sizes[index]
    grams = units.copy()
    stamp = np.int64(0)
    for n in range(1, most + 1):
        count = len(units) - n + 1
        if n > 1:
            for index in range(count):
                # Multiplied first, so that the order of units counts.
                grams[index] = _final(_mixed(grams[index] * _MULTIPLIER, units[index + n - 1]))
        for column in range(len(top)):
            if top[column] == n:
                stamp += 1
                best = np.int64(1)
                best_size = np.int64(0)
                for index in range(count):
                    where = _slot(keys, stamps, stamp, grams[index])
                    if stamps[where] == stamp:
                        times[where] += 1
                        size = sums[index + n] - sums[index]
                        if times[where] > best:
                            best = times[where]
                            best_size = size
                        elif times[where] == best:
                            best_size = max(best_size, size)
                    else:
                        keys[where] = grams[index]
                        stamps[where] = stamp
                        times[where] = 1
                top_size[column] = best * best_size if best > 1 else 0
        for column in range(len(repeated)):
            if repeated[column] == n:
                stamp += 1
                index = 0
                while index < count:
                    where = _slot(keys, stamps, stamp, grams[index])
                    if stamps[where] == stamp:
                        repeated_size[column] += sums[index + n] - sums[index]
                        index += n
                    else:
                        keys[where] = grams[index]
                        stamps[where] = stamp
                        index += 1


@compiled
def measure(
    data: U8,
    starts: I64,
    chinese: Bools,
    short_line: I64,
    english_stop_words: U64,
    chinese_stop_words: U64,
    table: U8,
    top: I64,
    repeated: I64,
) -> tuple[I64, I64, I64]:
    """Measures each text for the published rules.

    Args:
        data: The texts in UTF-8, normalised, one after the other.
        starts: int64[n + 1].
        chinese: bool[n], whether a text is Chinese; else it counts as English.
        short_line: int64[n], the most characters of a short line.
        english_stop_words: From `word_hashes`, at most 63.
        chinese_stop_words: The same for Chinese.
        table: From `properties.properties`.
        top: int64[2, k], of English and of Chinese the lengths of n-grams of which the most frequent is looked for;
            ascending, 0 for none.
        repeated: int64[2, m], the same for n-grams that stood before.

    Returns:
        int64[n, len(COLUMNS)]; int64[n, k], characters in the most frequent n-gram times how often it stands, 0 if it
        stands once; int64[n, m], characters in n-grams that stood before, none counted twice.
    """
    count = len(starts) - 1
    found = np.zeros((count, 21), dtype=np.int64)
    top_size = np.zeros((count, top.shape[1]), dtype=np.int64)
    repeated_size = np.zeros((count, repeated.shape[1]), dtype=np.int64)
    for number in range(count):
        row = found[number]
        single_units = chinese[number]
        stop_words = chinese_stop_words if single_units else english_stop_words
        seen_stop_words = np.int64(0)
        begin = starts[number]
        end = starts[number + 1]
        newlines = np.int64(0)
        for place in range(begin, end):
            newlines += data[place] == 10
        row[19] = newlines
        units = np.empty(end - begin + 1, dtype=np.uint64)
        sizes = np.empty(end - begin + 1, dtype=np.int64)
        lines = np.empty(newlines + 1, dtype=np.uint64)
        line_sizes = np.empty(newlines + 1, dtype=np.int64)
        paragraphs = np.empty(newlines + 1, dtype=np.uint64)
        paragraph_sizes = np.empty(newlines + 1, dtype=np.int64)

        unit_count = np.int64(0)
        unit_hash = _SEED  # of the unit that is being read
        unit_chars = np.int64(0)
        unit_word_chars = np.int64(0)
        unit_has_letter = False
        run_hash = _SEED  # of the run of letters and digits, for stop words
        run_open = False
        line_hash = _SEED
        line_chars = np.int64(0)  # up to the last character that is not white space
        pending_chars = np.int64(0)  # white space since
        line_flags = np.uint8(0)
        line_first = np.uint8(0)
        line_dots = np.int64(0)
        line_ends_ellipsis = False
        paragraph_hash = _SEED
        paragraph_chars = np.int64(0)
        paragraph_open = False
        dots = np.int64(0)
        ellipses = np.int64(0)
        pending_sentence = False
        pending_wide = False

        place = begin
        while place <= end:
            # The end counts as two newlines: it closes the line and the paragraph.
            byte = np.int64(10) if place == end else np.int64(data[place])
            if byte < 128:
                point = byte
                width = 1
            elif byte < 224:
                point = ((byte & 31) << 6) | (data[place + 1] & 63)
                width = 2
            elif byte < 240:
                point = ((byte & 15) << 12) | ((data[place + 1] & 63) << 6) | (data[place + 2] & 63)
                width = 3
            else:
                point = (
                    ((byte & 7) << 18)
                    | ((data[place + 1] & 63) << 12)
                    | ((data[place + 2] & 63) << 6)
                    | (data[place + 3] & 63)
                )
                width = 4
            place += width
            flags = table[point]
            space = flags & SPACE != 0
            in_word = flags & IN_WORD != 0
            single = flags & SINGLE != 0

            # Runs of letters and digits, in lower case: stop words.
            if run_open and (not in_word or single):
                value = _final(run_hash)
                where = np.searchsorted(stop_words, value)
                if where < len(stop_words) and stop_words[where] == value:
                    seen_stop_words |= np.int64(1) << np.int64(where)
                run_open = False
            if in_word:
                if not run_open:
                    run_hash = _SEED
                run_hash = _mixed(run_hash, np.uint64(point + 32 if 65 <= point <= 90 else point))
                run_open = True
                if single:
                    value = _final(run_hash)
                    where = np.searchsorted(stop_words, value)
                    if where < len(stop_words) and stop_words[where] == value:
                        seen_stop_words |= np.int64(1) << np.int64(where)
                    run_open = False

            # Units.
            ends_unit = (single or not in_word) if single_units else space
            if ends_unit and unit_chars > 0:
                units[unit_count] = _final(unit_hash)
                sizes[unit_count] = unit_chars
                unit_count += 1
                row[1] += unit_word_chars > 0
                row[2] += unit_has_letter
                row[3] += unit_word_chars
                unit_chars = np.int64(0)
            if in_word if single_units else not space:
                if unit_chars == 0:
                    unit_hash = _SEED
                    unit_word_chars = np.int64(0)
                    unit_has_letter = False
                unit_hash = _mixed(unit_hash, np.uint64(point))
                unit_chars += 1
                unit_word_chars += in_word
                if flags & LETTER:
                    unit_has_letter = True
                if single and single_units:
                    units[unit_count] = _final(unit_hash)
                    sizes[unit_count] = 1
                    unit_count += 1
                    row[1] += 1
                    row[2] += 1
                    row[3] += 1
                    unit_chars = np.int64(0)

            # Symbols.
            if point == 35:
                row[4] += 1
            if point == 46:
                dots += 1
            else:
                row[5] += dots // 3
                dots = np.int64(0)
            if point == 0x2026:
                ellipses += 1
            else:
                row[5] += (ellipses + 1) // 2 if single_units else ellipses
                ellipses = np.int64(0)

            # Sentences.
            if flags & SENTENCE_END:
                pending_sentence = True
                if point > 127:
                    pending_wide = True
            elif pending_sentence and not (flags & CLOSING):
                row[20] += pending_wide or space
                pending_sentence = False
                pending_wide = False

            # Lines and paragraphs.
            if point != 10:
                if space:
                    if line_chars > 0:
                        pending_chars += 1
                        line_dots = np.int64(0)
                else:
                    if line_chars == 0:
                        line_hash = _SEED
                        line_first = flags
                    # White space inside counts as it stands, tab or spaces: by its bytes.
                    for index in range(place - width - pending_chars, place):
                        line_hash = _mixed(line_hash, np.uint64(data[index]))
                    line_chars += pending_chars + 1
                    pending_chars = np.int64(0)
                    line_flags = flags
                    line_dots = line_dots + 1 if point == 46 else np.int64(0)
                    line_ends_ellipsis = bool(point == 0x2026 or line_dots >= 3)
            elif line_chars > 0:
                row[7] += line_first & BULLET != 0
                row[8] += line_ends_ellipsis
                row[9] += line_flags & TERMINAL != 0
                row[10] += line_chars <= short_line[number]
                row[11] += line_chars
                value = _final(line_hash)
                lines[row[6]] = value
                line_sizes[row[6]] = line_chars
                row[6] += 1
                paragraph_hash = _mixed(paragraph_hash if paragraph_open else _SEED, value)
                paragraph_chars = line_chars + (paragraph_chars if paragraph_open else np.int64(0))
                paragraph_open = True
                line_chars = np.int64(0)
                pending_chars = np.int64(0)
                line_dots = np.int64(0)
            else:
                pending_chars = np.int64(0)
                if paragraph_open:
                    paragraphs[row[14]] = _final(paragraph_hash)
                    paragraph_sizes[row[14]] = paragraph_chars
                    row[14] += 1
                    paragraph_open = False
        if paragraph_open:
            paragraphs[row[14]] = _final(paragraph_hash)
            paragraph_sizes[row[14]] = paragraph_chars
            row[14] += 1
        row[12], row[13] = _repeats(lines[: row[6]], line_sizes[: row[6]])
        row[15], row[16] = _repeats(paragraphs[: row[14]], paragraph_sizes[: row[14]])
        stop_word_count = 0
        while seen_stop_words:
            stop_word_count += 1
            seen_stop_words &= seen_stop_words - 1
        row[17] = stop_word_count
        row[0] = unit_count
        total = np.int64(0)
        for index in range(unit_count):
            total += sizes[index]
        row[18] = total

        language = 1 if single_units else 0
        _ngrams(
            units[:unit_count],
            sizes[:unit_count],
            top[language],
            repeated[language],
            top_size[number],
            repeated_size[number],
        )
    return found, top_size, repeated_size
