"""The compiled loops over sets of shingles and over the forest of documents that are joined."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tasks.arrays.utf8 import F64, I32, I64, U8, U32, U64, Bools, compiled

SURE = 4.0
"""Standard deviations below the expected that say a pair is not at the threshold: 3 of 100,000 that are say so too."""

FIRST_LOOK = 128
"""Elements of two sets after which that is first looked at, then at twice as many, and so on."""

STEPS = 32
"""Of comparing two sets before looking whether they can still be similar."""

SOMEWHERE = 8
"""Shingles of a set that are in memory once one of them is: a comparison that ends at once costs that much."""


@compiled
def overlap(hashes: U64, wanted: U64) -> I64:
    """Returns the places, in ascending hashes, of those that are among other ascending hashes.

    Each side is leapt through in doubling steps, so that the cost grows with the smaller of the two.
    """
    found = np.empty(len(hashes), dtype=np.int64)
    used = 0
    place = 0
    other = 0
    while place < len(hashes) and other < len(wanted):
        if hashes[place] == wanted[other]:
            found[used] = place
            used += 1
            place += 1
        elif hashes[place] < wanted[other]:
            place = leap(hashes, place, wanted[other])
        else:
            other = leap(wanted, other, hashes[place])
    return found[:used].copy()


@compiled
def leap(hashes: U64, begin: int, goal: np.uint64) -> int:
    """Returns the first place from `begin` on whose hash is not less than the goal."""
    low = begin
    high = begin
    step = 1
    while high < len(hashes) and hashes[high] < goal:
        low = high + 1
        high += step
        step *= 2
    high = min(high, len(hashes))
    while low < high:
        middle = (low + high) // 2
        if hashes[middle] < goal:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def jaccard(shingles: U64, bounds: I64, left: int, right: int, threshold: float) -> float:
    """Returns the Jaccard similarity of two sets, or -1 as soon as it is below the threshold.

    That is so when too many are unmatched already; or when among the least of both, which are a random sample of them
    (Broder, "On the resemblance and containment of documents", 1997), fewer are shared than `SURE` allows.

    Args:
        shingles: Hashes, each set sorted and without repetitions.
        bounds: int64[sets + 1], where each set begins and the last one ends.
        left: One set.
        right: The other.
        threshold: 0 compares in full whatever comes out.
    """
    a, a_end = bounds[left], bounds[left + 1]
    b, b_end = bounds[right], bounds[right + 1]
    total = (a_end - a) + (b_end - b)
    # With s shared of a total of n, s / (n - s) ≥ t says s ≥ t·n / (1 + t): so many may be unmatched on both sides.
    allowed = total - 2.0 * threshold * total / (1.0 + threshold) + 1e-6
    if abs((a_end - a) - (b_end - b)) > allowed:
        return -1.0
    shared = 0
    begins = a + b
    look = FIRST_LOOK
    while a < a_end and b < b_end:
        # Hashes are random: a jump by which of two is less would be foreseen wrongly every other time.
        for _ in range(min(STEPS, a_end - a, b_end - b)):
            left_hash, right_hash = shingles[a], shingles[b]
            shared += left_hash == right_hash
            a += left_hash <= right_hash
            b += right_hash <= left_hash
        seen = a + b - begins - shared
        if seen - shared > allowed:
            return -1.0
        if seen >= look:
            look *= 2
            if shared < threshold * seen - SURE * math.sqrt(threshold * (1.0 - threshold) * seen):
                return -1.0
    similarity = shared / (total - shared)
    return similarity if similarity >= threshold else -1.0


@compiled
def distinct(hashes: U64, ends: I64) -> tuple[U64, I64]:
    """Leaves out repetitions in sorted runs.

    Args:
        hashes: Run after run, each sorted. Altered.
        ends: int64[runs + 1], where each begins and the last one ends.

    Returns:
        The same for what is left.
    """
    kept = np.zeros(len(ends), dtype=np.int64)
    used = 0
    for run in range(len(ends) - 1):
        for place in range(ends[run], ends[run + 1]):
            value = hashes[place]
            repeated = place > ends[run] and value == hashes[used - 1]
            hashes[used] = value
            used += not repeated
        kept[run + 1] = used
    return hashes[:used], kept


@compiled
def find(parents: I32, document: int) -> int:
    """Returns the root of a document's tree; shortens the way to it."""
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = parents[document]
    return document


@compiled
def unite(parents: I32, above: I32, since: I32, days: I32, left: int, right: int, day: int) -> bool:
    """Joins two trees: the root of less (day, number) stays one; the other keeps where it went, and when."""
    left, right = find(parents, left), find(parents, right)
    if left == right:
        return False
    if days[right] < days[left] or (days[right] == days[left] and right < left):
        left, right = right, left
    parents[right] = left
    above[right] = left
    since[right] = day
    return True


@compiled
def join_equals(
    members: I32, begins: I64, places: I64, day: int, days: I32, parents: I32, above: I32, since: I32
) -> None:
    """Joins members with the first of their bucket."""
    for event in range(len(places)):
        unite(parents, above, since, days, members[begins[event]], members[places[event]], day)


@compiled
def agreeing(signatures: U32, left: int, right: int) -> int:
    """Returns how many values two signatures, lines of uint32[n, permutations], have in common."""
    found: Any = np.uint32(0)
    for column in range(signatures.shape[1]):
        found += np.uint32(signatures[left, column] == signatures[right, column])
    return int(found)


@compiled
def mark_similar(
    members: I32,
    begins: I64,
    places: I64,
    start: int,
    fresh: Bools,
    lines: I32,
    signatures: U32,
    least: int,
    limit: int,
    budget: int,
    marked: Bools,
) -> int:
    """Marks documents that `join_similar` compares in full: whose signatures agree with another's of their bucket.

    Args:
        members: As for `join_similar`.
        begins: Likewise.
        places: Likewise.
        start: Event to begin with.
        fresh: As for `join_similar`.
        lines: int32[documents], the line of each document's signature.
        signatures: uint32[lines, permutations].
        least: Values in which signatures must agree.
        limit: Others that one member is held against.
        budget: Values to look at before returning, so that they can be let go from memory.
        marked: bool[documents], altered.

    Returns:
        The event to go on with.
    """
    event = start
    while event < len(places) and budget > 0:
        begin, place = begins[event], places[event]
        event += 1
        member = members[place]
        here = 0
        for other_place in range(begin, place):
            other = members[other_place]
            if (marked[member] and marked[other]) or not (fresh[member] or fresh[other]):
                continue
            if here == limit:
                break
            here += 1
            if agreeing(signatures, lines[other], lines[member]) >= least:
                marked[member] = True
                marked[other] = True
        budget -= here * signatures.shape[1]
    return event


@compiled
def join_similar(
    members: I32,
    begins: I64,
    places: I64,
    start: int,
    whole: U8,
    fresh: Bools,
    lines: I32,
    signatures: U32,
    least: int,
    sets: I32,
    shingles: U64,
    bounds: I64,
    threshold: float,
    limit: int,
    budget: int,
    day: int,
    days: I32,
    parents: I32,
    above: I32,
    since: I32,
) -> tuple[int, int, int, int]:
    """Compares members with those before them in their bucket; joins those whose similarity reaches the threshold.

    Pairs that are joined already are not compared, nor are pairs of which neither is fresh. Those whose signatures
    agree in few values are not similar; the others are compared in full. While all before a member are one tree, it is
    enough to find one that it belongs to: a bucket of one big cluster costs a comparison a member.

    Args:
        members: Documents, bucket after bucket, ascending by (day, number) inside each.
        begins: int64[events], where the bucket of each event begins.
        places: int64[events], the member to be compared.
        start: Event to begin with.
        whole: uint8[members], at the begin of each bucket: whether all members so far are one tree. Altered.
        fresh: bool[documents], not compared with anything before this build.
        lines: int32[documents], the line of each document's signature.
        signatures: uint32[lines, permutations].
        least: Values in which the signatures of similar documents agree.
        sets: int32[documents], the number of each document's set, -1 for those that `mark_similar` left out.
        shingles: As for `jaccard`.
        bounds: As for `jaccard`.
        threshold: Least similarity of a pair that is joined.
        limit: Others that one member is held against in one bucket.
        budget: Numbers of 8 bytes to look at before returning, so that they can be let go from memory.
        day: When the joints are made.
        days: int32[documents].
        parents: int32[documents], altered; see `unite`.
        above: Likewise.
        since: Likewise.

    Returns:
        The event to go on with, comparisons made in full, pairs that reached the threshold, members that met the limit.
    """
    compared = 0
    verified = 0
    capped = 0
    event = start
    while event < len(places) and budget > 0:
        begin, place = begins[event], places[event]
        event += 1
        member = members[place]
        here = 0
        one_tree = whole[begin] != 0
        if one_tree and find(parents, members[begin]) == find(parents, member):
            continue
        joined = False
        apart = False
        for other_place in range(begin, place):
            other = members[other_place]
            if find(parents, other) == find(parents, member):
                joined = True
                continue
            if not fresh[member] and not fresh[other]:
                apart = True
                continue
            if here == limit:
                capped += 1
                apart = True
                break
            here += 1
            budget -= signatures.shape[1]
            if agreeing(signatures, lines[other], lines[member]) < least:
                apart = True
                continue
            left, right = sets[other], sets[member]
            if left < 0 or right < 0:  # past the limit of `mark_similar`
                capped += 1
                apart = True
                continue
            compared += 1
            budget -= bounds[left + 1] - bounds[left] + bounds[right + 1] - bounds[right] + SOMEWHERE
            if jaccard(shingles, bounds, left, right, threshold) >= 0.0:
                verified += 1
                unite(parents, above, since, days, other, member, day)
                joined = True
                if one_tree:
                    break
            else:
                apart = True
        if apart and not (one_tree and joined):
            whole[begin] = 0
    return event, compared, verified, capped


@compiled
def flatten(parents: I32) -> None:
    """Makes every document's parent its root."""
    for document in range(len(parents)):
        parents[document] = find(parents, document)


@compiled
def founding_groups(documents: I32, days: I32, above: I32, since: I32) -> I32:
    """Returns for each document the root that its tree had at the end of its day, or -1 if that is of an earlier day.

    Of the documents that share such a root, the least was its cluster's earliest on that day: a founder.
    """
    groups = np.empty(len(documents), dtype=np.int32)
    for number in range(len(documents)):
        document = documents[number]
        day = days[document]
        root = document
        while above[root] >= 0 and since[root] <= day:
            root = above[root]
        groups[number] = root if days[root] == day else -1
    return groups


@compiled
def explain(
    clusters: I64, sets: I64, links: I64, shingles: U64, bounds: I64, threshold: float, limit: int
) -> tuple[F64, I64, F64]:
    """Finds how similar each text of some clusters is to the one that stays, and by which chain it belongs to it.

    Texts are reached from the first of their cluster in breadth: by similarity, and by being linked (of equal text or
    id) to one that is reached.

    Args:
        clusters: int64[clusters + 1], where each cluster's texts begin; the first of them stays.
        sets: int64[texts], the number of each set, -1 for texts without shingles.
        links: int64[texts], equal numbers for what is linked.
        shingles: As for `jaccard`.
        bounds: As for `jaccard`.
        threshold: Least similarity.
        limit: Comparisons a cluster; what is not reached by then is said to belong to the first directly.

    Returns:
        float64[texts] similarity to the first, 1 for what is linked to it; int64[texts] the text that each was reached
        from; float64[texts] similarity to that, 1 for what is linked to it.
    """
    texts = len(sets)
    to_first = np.ones(texts)
    via = np.arange(texts)
    to_via = np.ones(texts)
    queue = np.empty(texts, dtype=np.int64)
    for cluster in range(len(clusters) - 1):
        begin, end = clusters[cluster], clusters[cluster + 1]
        waiting = np.arange(begin + 1, end)
        count = len(waiting)
        queue[begin] = begin
        head = begin
        tail = begin + 1
        compared = 0
        while head < tail and count > 0:
            near = queue[head]
            head += 1
            left = 0
            for place in range(count):
                text = waiting[place]
                if links[text] == links[near]:
                    via[text] = near
                    queue[tail] = text
                    tail += 1
                    continue
                if sets[text] >= 0 and sets[near] >= 0 and compared < limit:
                    compared += 1
                    similarity = jaccard(shingles, bounds, sets[near], sets[text], threshold)
                    if similarity >= 0.0:
                        via[text] = near
                        to_via[text] = similarity
                        queue[tail] = text
                        tail += 1
                        continue
                waiting[left] = text
                left += 1
            count = left
        for place in range(count):
            via[waiting[place]] = begin
        for text in range(begin + 1, end):
            if links[text] == links[begin]:
                continue
            if via[text] == begin and to_via[text] < 1.0:
                to_first[text] = to_via[text]
            elif sets[text] >= 0 and sets[begin] >= 0:
                to_first[text] = jaccard(shingles, bounds, sets[begin], sets[text], 0.0)
            else:
                to_first[text] = 0.0
            if via[text] == begin:
                to_via[text] = to_first[text]
    return to_first, via, to_via
