#!/usr/bin/env python3
"""Writes matrix_golden.json: four published systems on GSM8K, compared pair by pair, by an implementation that shares no
code with the product: counts from the published grades, exact binomials in whole numbers, Tango's interval from the likelihood.

Usage: make_matrix_golden.py example_model_solutions.jsonl > matrix_golden.json   (openai/grade-school-math, MIT)

A case has a value when its solution has a line "A: ..." (its last one counts) that holds a number; whether it is right is the
published grade. Tango 1998: the limits are the differences d at which (b - c - n d) / sqrt(n (2 q + d (1 - d))) = +-z, with q = P(only
the second) the maximum-likelihood estimate under that difference, here found by maximising the likelihood itself.
"""
import json
import math
import re
import sys
from fractions import Fraction

SYSTEMS = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
Z = 1.959963984540054235524594430520551


def answer(solution):
    found = re.findall(r"(?m)^A: (.*)$", solution)
    return bool(found) and re.search(r"[0-9]", found[-1]) is not None


def mcnemar(b, c):
    n, k = b + c, min(b, c)
    tail = sum(Fraction(math.comb(n, i), 2 ** n) for i in range(k + 1))
    return float(min(Fraction(1), 2 * tail))


def log_likelihood(b, c, n, d, q):
    p = q + d  # P(only the first)
    rest = 1 - p - q
    total = 0.0
    for count, chance in ((b, p), (c, q), (n - b - c, rest)):
        if count:
            if chance <= 0:
                return -math.inf
            total += count * math.log(chance)
    return total


def most_likely_q(b, c, n, d):
    low, high = max(0.0, -d), (1 - d) / 2
    for _ in range(300):  # the likelihood is concave in q: golden section
        one, other = low + (high - low) * 0.3819660112501051, low + (high - low) * 0.6180339887498949
        if log_likelihood(b, c, n, d, one) < log_likelihood(b, c, n, d, other):
            low = one
        else:
            high = other
    return (low + high) / 2


def score(b, c, n, d):
    q = most_likely_q(b, c, n, d)
    return (b - c - n * d) / math.sqrt(n * (2 * q + d * (1 - d)))


def limit(b, c, n, wanted, low, high):
    for _ in range(100):
        middle = (low + high) / 2
        if score(b, c, n, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def main():
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    right = {s: [bool(r[s]["is_correct"]) if answer(r[s]["solution"]) else None for r in rows] for s in SYSTEMS}
    first, out = SYSTEMS[0], []
    for s in SYSTEMS[1:]:
        pairs = [(x, y) for x, y in zip(right[s], right[first]) if x is not None and y is not None]
        n, b, c = len(pairs), sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
        d = (b - c) / n
        out.append({"system": s, "n": n, "only_this": b, "only_first": c, "difference": d, "p_value": mcnemar(b, c),
                    "interval": [limit(b, c, n, Z, -0.999999, d), limit(b, c, n, -Z, d, 0.999999)]})
    order = sorted(range(len(out)), key=lambda i: out[i]["p_value"])
    so_far = 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, out[i]["p_value"] * (len(out) - rank)))
        out[i]["p_holm"] = so_far
    json.dump({"first": first, "right": {s: sum(x is True for x in right[s]) for s in SYSTEMS},
               "n": {s: sum(x is not None for x in right[s]) for s in SYSTEMS}, "cells": out}, sys.stdout, indent=1)
    print()


main()
