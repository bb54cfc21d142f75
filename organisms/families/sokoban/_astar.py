"""Compiled kernels of A*: push distances, the assignment bound, the search.

Boards come padded by one wall all round, so that no step needs a bounds check; a cell is
``y * width + x`` on the padded board.
"""

from __future__ import annotations

import numba
import numpy as np

from organisms.families.sokoban.moves import move_box

FAR = 1 << 24  # more pushes than any level needs; the cost of a pair that cannot be matched


@numba.njit(cache=True, nogil=True)
def push_distances(floor, goals, width):
    """Pushes a lone box needs from each cell to each goal, (cell, goal) int32; `FAR` if none do."""
    steps = (-width, width, -1, 1)
    distances = np.full((len(floor), len(goals)), FAR, np.int32)
    queue = np.empty(len(floor), np.int64)
    for g in range(len(goals)):
        queue[0] = goals[g]
        distances[goals[g], g] = 0
        head, tail = 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            for step in steps:
                to = cell + step
                # To is floor, hence not on the padding, so the cell beyond exists.
                if floor[to] and floor[to + step] and distances[to, g] == FAR:
                    distances[to, g] = distances[cell, g] + 1
                    queue[tail] = to
                    tail += 1
    return distances


@numba.njit(cache=True, nogil=True)
def _assignment(pushes, boxes):
    """Return the cheapest total of matching every box to a goal of its own; `FAR` or more if none.

    Shortest augmenting paths with potentials (Kuhn 1955; Jonker and Volgenant 1987).
    """
    n, m = len(boxes), pushes.shape[1]
    by_row = np.zeros(n + 1, np.int64)
    by_column = np.zeros(m + 1, np.int64)
    match = np.zeros(m + 1, np.int64)
    way = np.zeros(m + 1, np.int64)
    slack = np.empty(m + 1, np.int64)
    used = np.empty(m + 1, np.bool_)
    for i in range(1, n + 1):
        match[0] = i
        column = 0
        slack[:] = 1 << 40
        used[:] = False
        while True:
            used[column] = True
            row = match[column]
            least = np.int64(1 << 40)
            nearest = 0
            for j in range(1, m + 1):
                if used[j]:
                    continue
                reduced = pushes[boxes[row - 1], j - 1] - by_row[row] - by_column[j]
                if reduced < slack[j]:
                    slack[j] = reduced
                    way[j] = column
                if slack[j] < least:
                    least = slack[j]
                    nearest = j
            for j in range(m + 1):
                if used[j]:
                    by_row[match[j]] += least
                    by_column[j] -= least
                else:
                    slack[j] -= least
            column = nearest
            if match[column] == 0:
                break
        while column:
            match[column] = match[way[column]]
            column = way[column]
    total = 0
    for j in range(1, m + 1):
        if match[j]:
            total += pushes[boxes[match[j] - 1], j - 1]
    return total


@numba.njit(cache=True, nogil=True)
def _freezes(landed, solid, occupied, goal, width):
    """Whether the box that landed closes a 2 x 2 block with a box in it that is off its target."""
    for dy in (-width, width):
        for dx in (-1, 1):
            full = True
            astray = False
            for cell in (landed, landed + dy, landed + dx, landed + dy + dx):
                if not (solid[cell] or occupied[cell]):
                    full = False
                elif occupied[cell] and not goal[cell]:
                    astray = True
            if full and astray:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _wider(array, size):
    larger = np.zeros((size, array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger


@numba.njit(cache=True, nogil=True)
def _slot(table, hashes, nodes, n_boxes, key, boxes, player):
    """Return where in the hash table the state is, or where it would go."""
    mask = np.int64(len(table) - 1)
    slot = np.int64(key >> np.uint64(8)) & mask
    while table[slot] >= 0:
        node = table[slot]
        if hashes[node, 0] == key and nodes[node, n_boxes] == player:
            same = True
            for j in range(n_boxes):
                if nodes[node, j] != boxes[j]:
                    same = False
                    break
            if same:
                break
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def search(floor, goal, pushes, width, keys, start_boxes, start_player, max_expanded):
    """Run A*.

    Parameters
    ----------
    floor, goal
        (cell,) bool.
    pushes, width
        From `push_distances`, and the width of the padded board.
    keys
        (cell, 2) uint64, random: the hash of a box and of the player on each cell.
    start_boxes, start_player
        Cells, the boxes sorted.
    max_expanded
        States to expand at most.

    Returns
    -------
    status, bound, expanded, n_nodes
        Status 1 solved, 0 dead, 2 limit; the estimate reached; counts.
    path_boxes, path_players
        (node, box) and (node,) int16: the start and the state after each push; empty unless solved.
    """
    cells = len(floor)
    n_boxes = len(start_boxes)
    steps = (-width, width, -1, 1)
    solid = ~floor
    live = np.zeros(cells, np.bool_)
    for cell in range(cells):
        live[cell] = pushes[cell].size > 0 and pushes[cell].min() < FAR

    # nodes: boxes, player. facts: moves so far, heuristic (-1 if dead), parent, expanded.
    nodes = np.empty((1024, n_boxes + 1), np.int16)
    facts = np.zeros((1024, 4), np.int32)
    hashes = np.empty((1024, 1), np.uint64)
    table = np.full(4096, -1, np.int32)
    # The queue: one stack of entries (node, moves, next entry) for each estimate of the length.
    entries = np.empty((1024, 3), np.int32)
    heads = np.full((1024, 1), -1, np.int32)

    first = _assignment(pushes, start_boxes)
    if first >= FAR:
        return 0, 0, 0, 1, nodes[:0, :n_boxes], nodes[:0, n_boxes]
    key = keys[start_player, 1]
    for j in range(n_boxes):
        nodes[0, j] = start_boxes[j]
        key ^= keys[start_boxes[j], 0]
    nodes[0, n_boxes] = start_player
    hashes[0, 0] = key
    facts[0, 1] = first
    facts[0, 2] = -1
    table[_slot(table, hashes, nodes, n_boxes, key, nodes[0, :n_boxes], start_player)] = 0
    n_nodes, n_entries, expanded = 1, 1, 0
    if first >= len(heads):
        heads = np.full((2 * first, 1), -1, np.int32)
    entries[0] = -1
    entries[0, :2] = 0
    heads[first, 0] = 0
    recycled = -1
    estimate = first

    occupied = np.zeros(cells, np.bool_)
    walked = np.full(cells, -1, np.int32)
    queue = np.empty(cells, np.int64)
    moved = np.empty(n_boxes, np.int16)
    while True:
        while estimate < len(heads) and heads[estimate, 0] < 0:
            estimate += 1
        if estimate == len(heads):
            return 0, 0, expanded, n_nodes, nodes[:0, :n_boxes], nodes[:0, n_boxes]
        entry = heads[estimate, 0]
        heads[estimate, 0] = entries[entry, 2]
        node, moves = entries[entry, 0], entries[entry, 1]
        entries[entry, 2] = recycled
        recycled = entry
        if facts[node, 0] != moves or facts[node, 3]:
            continue
        if facts[node, 1] == 0:
            break
        if expanded == max_expanded:
            return 2, estimate, expanded, n_nodes, nodes[:0, :n_boxes], nodes[:0, n_boxes]
        facts[node, 3] = 1
        expanded += 1
        boxes = nodes[node, :n_boxes].copy()
        for j in range(n_boxes):
            occupied[boxes[j]] = True
        base = hashes[node, 0] ^ keys[nodes[node, n_boxes], 1]
        queue[0] = nodes[node, n_boxes]
        walked[queue[0]] = 0
        head, tail = 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            for step in steps:
                to = cell + step
                if solid[to]:
                    continue
                if not occupied[to]:
                    if walked[to] < 0:
                        walked[to] = walked[cell] + 1
                        queue[tail] = to
                        tail += 1
                    continue
                landed = to + step
                if occupied[landed] or not live[landed]:
                    continue
                occupied[to] = False
                occupied[landed] = True
                frozen = _freezes(landed, solid, occupied, goal, width)
                occupied[to] = True
                occupied[landed] = False
                if frozen:
                    continue
                move_box(boxes, to, landed, moved)
                key = base ^ keys[to, 0] ^ keys[landed, 0] ^ keys[to, 1]
                slot = _slot(table, hashes, nodes, n_boxes, key, moved, to)
                other = table[slot]
                total = moves + walked[cell] + 1
                if other < 0:
                    other = n_nodes
                    n_nodes += 1
                    if other == len(nodes):
                        nodes = _wider(nodes, 2 * other)
                        facts = _wider(facts, 2 * other)
                        hashes = _wider(hashes, 2 * other)
                    table[slot] = other
                    nodes[other, :n_boxes] = moved
                    nodes[other, n_boxes] = to
                    hashes[other, 0] = key
                    bound = _assignment(pushes, moved)
                    facts[other, 0] = total
                    facts[other, 1] = bound if bound < FAR else -1
                    facts[other, 2] = node
                    if 2 * n_nodes > len(table):
                        table = np.full(2 * len(table), -1, np.int32)
                        for again in range(n_nodes):
                            slot = _slot(
                                table, hashes, nodes, n_boxes, hashes[again, 0],
                                nodes[again, :n_boxes], nodes[again, n_boxes],
                            )  # fmt: skip
                            table[slot] = again
                elif total < facts[other, 0]:
                    facts[other, 0] = total
                    facts[other, 2] = node
                    facts[other, 3] = 0
                else:
                    continue
                if facts[other, 1] < 0:
                    continue
                if recycled >= 0:
                    entry = recycled
                    recycled = entries[entry, 2]
                else:
                    entry = n_entries
                    n_entries += 1
                    if entry == len(entries):
                        entries = _wider(entries, 2 * entry)
                place = total + facts[other, 1]
                if place >= len(heads):
                    more = np.full((2 * place, 1), -1, np.int32)
                    more[: len(heads)] = heads
                    heads = more
                entries[entry, 0] = other
                entries[entry, 1] = total
                entries[entry, 2] = heads[place, 0]
                heads[place, 0] = entry
        for i in range(tail):
            walked[queue[i]] = -1
        for j in range(n_boxes):
            occupied[boxes[j]] = False

    length = 0
    at = node
    while at >= 0:
        length += 1
        at = facts[at, 2]
    order = np.empty(length, np.int64)
    at = node
    while at >= 0:
        length -= 1
        order[length] = at
        at = facts[at, 2]
    path = nodes[order]
    return 1, moves, expanded, n_nodes, path[:, :n_boxes].copy(), path[:, n_boxes].copy()
