#!/usr/bin/env python3
"""Writes golden.jsonl: values of scipy 1.10 and numpy for tests/core/stats. Run: python3 make_golden.py > golden.jsonl

Nothing here is read by the product; the tests read the written file only.
"""
import json
import math
import random

import numpy as np
from scipy import optimize, special, stats


def t_quantile(p, df):
    # stats.t.ppf is only good to 1e-9; its distribution function is good to the last digits.
    if p == 0.5:
        return 0.0
    return optimize.brentq(lambda t: special.stdtr(df, t) / p - 1, -1e10, 1e10, xtol=1e-300, rtol=1e-15, maxiter=2000)


def put(**row):
    print(json.dumps(row))


def distributions():
    for z in [-37.0, -8.0, -3.0, -1.959963984540054, -0.5, 0.0, 1e-9, 0.3, 1.0, 2.5, 6.0]:
        put(kind="normal_cdf", x=z, value=float(special.ndtr(z)))
    for p in [1e-300, 1e-12, 0.001, 0.025, 0.1, 0.49999, 0.5, 0.500001, 0.9, 0.975, 0.999, 1 - 1e-10]:
        put(kind="normal_quantile", x=p, value=float(special.ndtri(p)))
    for a, b in [(0.5, 0.5), (1, 1), (2, 3), (0.5, 5), (5, 0.5), (30, 70), (200, 200), (5000, 0.5), (5e5, 0.5), (12345.5, 23456.5)]:
        centre = a / (a + b)
        for x in sorted({1e-6, 0.01, 0.2, 0.5, 0.8, 0.99, centre, min(1.0, centre * 1.01), centre * 0.99}):
            if 0 < x < 1:
                put(kind="beta", a=a, b=b, x=x, value=float(special.betainc(a, b, x)))
    for df in [1, 2, 3, 4.5, 10, 30, 199, 1000, 1e5, 1e6]:
        for t in [-40.0, -6.0, -2.0, -1.0, -0.1, -1e-8, 0.0, 0.5, 1.96, 5.0]:
            put(kind="t_cdf", df=df, x=t, value=float(special.stdtr(df, t)))
        for p in [1e-8, 0.005, 0.025, 0.05, 0.3, 0.5, 0.8, 0.975, 0.9995]:
            put(kind="t_quantile", df=df, x=p, value=t_quantile(p, df))


def rates():
    for k, n in [(0, 1), (1, 1), (0, 10), (10, 10), (1, 10), (17, 20), (850, 1000), (353, 400), (1, 100000), (3, 7)]:
        for level in [0.8, 0.95, 0.99]:
            ci = stats.binomtest(k, n).proportion_ci(level, method="wilson")
            put(kind="wilson", k=k, n=n, level=level, low=ci.low, high=ci.high)
    for b, c in [(0, 1), (1, 1), (5, 1), (10, 3), (30, 18), (0, 12), (200, 150), (7, 7), (1500, 1400)]:
        put(kind="mcnemar", b=b, c=c, p=stats.binomtest(b, b + c, 0.5).pvalue)


def means():
    rng = random.Random(20261122)
    for n in [2, 3, 10, 57, 400]:
        values = [round(rng.lognormvariate(0, 1), 6) for _ in range(n)]
        for level in [0.9, 0.95]:
            mean, se = float(np.mean(values)), float(stats.sem(values))
            half = t_quantile(0.5 + level / 2, n - 1) * se
            assert math.isclose(mean + half, stats.ttest_1samp(values, 0).confidence_interval(level).high, rel_tol=1e-8)
            put(kind="mean", values=values, level=level, mean=mean, se=se, low=mean - half, high=mean + half)
        other = [round(v + rng.gauss(0.1, 0.5), 6) for v in values]
        test = stats.ttest_rel(values, other)
        difference = np.subtract(values, other)
        half = t_quantile(0.975, n - 1) * float(stats.sem(difference))
        mean = float(np.mean(difference))
        assert math.isclose(mean + half, test.confidence_interval(0.95).high, rel_tol=1e-8)
        put(kind="paired_t", a=values, b=other, difference=mean, low=mean - half, high=mean + half, p=float(test.pvalue))
        for p in [0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]:
            put(kind="quantile", values=values, p=p, value=float(np.quantile(values, p)))
        # inspect_ai's clustered error, written out: sqrt(sum_c (sum of deviations)^2 * C / (C - 1)) / n.
        clusters = [rng.randrange(max(2, n // 4)) for _ in values]
        clusters[0], clusters[-1] = 0, 1
        mean = sum(values) / n
        sums = {}
        for v, c in zip(values, clusters):
            sums[c] = sums.get(c, 0) + v - mean
        count = len(sums)
        se = math.sqrt(sum(s * s for s in sums.values()) * count / (count - 1)) / n
        half = t_quantile(0.975, count - 1) * se
        put(kind="clustered", values=values, clusters=clusters, count=count, se=se, low=mean - half, high=mean + half)


def tango():
    # The constrained estimate by direct maximisation of the likelihood, the limits by root finding: no closed form used.
    def score(b, c, n, delta):
        def log_likelihood(q):
            parts = [(b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta)]
            return -sum(k * math.log(max(v, 1e-300)) for k, v in parts if k > 0)
        low, high = max(0.0, -delta), (1 - delta) / 2
        q = optimize.minimize_scalar(log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-14, "maxiter": 2000}).x
        q = min([q, low, high], key=log_likelihood)
        return (b - c - n * delta) / math.sqrt(n * (2 * q + delta - delta * delta))
    for b, c, n in [(0, 0, 1), (0, 0, 30), (5, 1, 40), (1, 5, 40), (9, 0, 54), (0, 9, 54), (30, 18, 400), (43, 32, 100), (3, 3, 1000), (12, 2, 14)]:
        z, d, e = 1.959963984540054, (b - c) / n, 1e-13
        low = optimize.brentq(lambda x: score(b, c, n, x) - z, -1 + e, d - e, xtol=1e-15) if d > -1 else -1
        high = optimize.brentq(lambda x: score(b, c, n, x) + z, d + e, 1 - e, xtol=1e-15) if d < 1 else 1
        put(kind="tango", b=b, c=c, n=n, low=low, high=high)


distributions()
rates()
means()
tango()
