// Distances and tests between two samples of numbers. Every function names its convention, because tools differ under one name.
// Samples: finite, in any order, at least one value each (else nullopt). `reference` is what `current` is held against. Cost: sorting both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace llmops {

// Kolmogorov-Smirnov: sup |F - G| of the two empirical distribution functions (Smirnov 1939).
std::optional<double> ks_distance(std::span<const double> reference, std::span<const double> current);
// P(K > x) of Kolmogorov's limit distribution, 2 sum (-1)^(k-1) exp(-2 k^2 x^2); 1 for x <= 0.
double kolmogorov_survival(double x);
// The asymptotic p-value with Stephens' correction (1970, JRSS B 32:115): kolmogorov_survival((e + 0.12 + 0.11/e) D), e = sqrt(nm/(n+m)). Conservative where values are tied.
std::optional<double> ks_asymptotic_p(std::span<const double> reference, std::span<const double> current);
// The exact p-value P(D >= d) over all splits of the pooled values into n and m, ties as they are (Hajek & Sidak 1967; counted along a lattice of n x m, as
// Schroeer & Trenkler 1995 for ties). Cost: n m. nullopt: also when n m passes 10^8.
std::optional<double> ks_exact_p(std::span<const double> reference, std::span<const double> current);

// Two-sample Cramer-von Mises of Anderson 1962 with midranks: T = U / (nm(n+m)) - (4nm - 1) / (6(n+m)).
std::optional<double> cramer_von_mises(std::span<const double> reference, std::span<const double> current);

// Wasserstein-1, the area between F and G, in the values' unit.
std::optional<double> wasserstein(std::span<const double> reference, std::span<const double> current);

// The energy distance as scipy defines it: sqrt(2 int (F - G)^2), whose square is 2 E|X-Y| - E|X-X'| - E|Y-Y'| (Szekely & Rizzo 2004).
std::optional<double> energy_distance(std::span<const double> reference, std::span<const double> current);

}  // namespace llmops
