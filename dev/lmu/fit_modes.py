"""Fits the constants of `auto` (tessera/systems/lmu/form_choice.cpp: fft and folded) to modes.csv and
says what the rule costs on shapes that the fit did not see.

    python dev/lmu/fit_modes.py dev/lmu/modes.csv [--held-out SEED,...]

A form's time is a sum of constants times counts of work, none below 0, by least squares of relative
errors over threads, forward and training step together. Regret: the time of the form that a rule
chooses over the time of the best form of that shape.
"""
import csv
import math
import sys
from collections import defaultdict

import numpy as np
from scipy.optimize import nnls

CHUNK = 64


def counts(form, s):
    """Counts of work, in the order of the constants that are printed."""
    B, M, T, N, H = s["batch"], s["systems"], s["length"], s["order"], s["hidden"]
    R, P = B * M, 1 << math.ceil(math.log2(max(2 * T - 1, 2)))
    points = P * math.log2(P)
    states, read = R * T * N, R * T * N * H
    if form == "recurrent":
        return [1, T, states * N, states, read]
    if form == "fft":
        return [1, (R + N + R * N) * points, states, read]
    if form == "folded":
        return [1, (R + H + R * H) * points, R * T * H, T * N * H]
    if form == "convolution":
        return [1, states * T, R * T * T, states, read]
    C = min(CHUNK, T)
    K = -(-T // C)
    return [1, K, states * C, R * T * C, C * N**3, states * N, states, read]


FORMS = ["recurrent", "fft", "folded", "convolution", "chunked"]


def old_rule(s, have):
    """What `auto` did before: by transforms, with the output map in the kernel where that is cheaper."""
    n, h, points, rows = s["order"], s["hidden"], 2 * s["length"], s["batch"]
    transform = 5 * points * math.log2(points) * (rows / 2 + 1)
    product = 2 * rows * s["length"] * n * h / 4
    folds = "folded" in have and s["length"] > 1 and h * transform < n * transform + product
    return "folded" if folds else "fft"


def read(path):
    table = defaultdict(dict)
    keys = ["batch", "systems", "length", "order", "hidden", "input"]
    for seed, kind, threads, *row in csv.reader(open(path)):
        if kind != "steps":
            continue
        shape = tuple(int(v) for v in row[:6])
        table[(int(seed), int(threads), shape, int(row[6]))][row[7]] = float(row[8])
    return [(seed, threads, dict(zip(keys, shape)), trains, times)
            for (seed, threads, shape, trains), times in table.items()]


def fit(rows):
    constants = {}
    for form in FORMS:
        A, ms = [], []
        for _, _, s, _, times in rows:
            if form in times:
                A.append(np.array(counts(form, s), float) / times[form])
                ms.append(1.0)
        A = np.array(A)
        scale = A.max(0)
        x, _ = nnls(A / scale, np.array(ms))
        constants[form] = x / scale
    return constants


def new_rule(constants, forms=("fft", "folded")):
    def rule(s, have):
        known = [form for form in forms if form != "folded" or s["systems"] == 1]
        return min(known, key=lambda form: float(np.dot(constants[form], counts(form, s))))

    return rule


def report(title, rows, rule):
    regrets, total, best = [], 0.0, 0.0
    for _, _, s, _, times in rows:
        chosen = times.get(rule(s, times), 20 * min(times.values()))
        regrets.append(chosen / min(times.values()))
        total, best = total + chosen, best + min(times.values())
    r = np.array(regrets)
    print(f"| {title} | {len(r)} | {np.exp(np.log(r).mean()):.2f} | {np.median(r):.2f} | "
          f"{np.quantile(r, 0.9):.2f} | {r.max():.1f} | {total / best:.2f} | {(r < 1.05).mean():.0%} |")


def main():
    rows = read(sys.argv[1])
    held_out = {int(s) for s in sys.argv[3].split(",")} if len(sys.argv) > 3 else {2}
    seen = [r for r in rows if r[0] not in held_out]
    unseen = [r for r in rows if r[0] in held_out]
    constants = fit(seen)
    for form in FORMS:
        print(form, ", ".join(f"{1e6 * c:.3g}" for c in constants[form]), "ns")
    print("| rule, rows | n | mean regret | median | 90 % | worst | of all time | within 5 % |")
    print("|---|---|---|---|---|---|---|---|")
    rule = new_rule(constants)
    every = new_rule(constants, FORMS)
    for name, chosen in [("old", old_rule), ("new", rule), ("new, of all forms", every)]:
        report(name + ", unseen", unseen, chosen)
        for threads in (1, 2):
            for trains in (0, 1):
                part = [r for r in unseen if r[1] == threads and r[3] == trains]
                report(f"{name}, {threads} threads, {'step' if trains else 'forward'}", part, chosen)
        report(name + ", seen", seen, chosen)
    for form in FORMS:
        wins = sum(min(t, key=t.get) == form for *_, t in rows)
        print(form, "is the best of", wins, "of", len(rows))


main()
