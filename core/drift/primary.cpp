#include "core/drift/primary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/intervals.h"

namespace llmops {
namespace {

constexpr double kPower = 0.8;

struct Spread { double mean = 0, deviation = 0; };

Spread spread_of(std::span<const double> statistics) {
  Spread made;
  for (const double value : statistics) made.mean += value;
  made.mean /= static_cast<double>(statistics.size());
  for (const double value : statistics) made.deviation += (value - made.mean) * (value - made.mean);
  made.deviation = std::sqrt(made.deviation / static_cast<double>(statistics.size()));
  return made;
}

// What the largest standardised statistic passes with a probability of at most alpha while nothing changed.
double critical_value(const JointTest& joint, double alpha) {
  std::vector<double> sorted(joint.statistics);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto place = static_cast<size_t>(std::floor(alpha * static_cast<double>(sorted.size())));
  return sorted[std::min(place, sorted.size() - 1)];
}

std::optional<double> share_within_one(double share) { return std::isfinite(share) && share > 0 && share <= 1 ? std::optional(share) : std::nullopt; }

// MMD^2 of one topic against the rest, of every topic that holds a fair number of rows.
std::vector<std::pair<double, size_t>> topic_distances(const Topics& topics, const VectorsView& dense, const std::vector<double>& sigmas) {
  std::vector<std::pair<double, size_t>> made;
  for (size_t topic = 0; topic < topics.count; ++topic) {
    Vectors in{{}, 0, dense.dimensions}, rest{{}, 0, dense.dimensions};
    const size_t step = std::max<size_t>(1, dense.rows / 600);         // enough for a distance to two digits
    size_t seen = 0;
    for (size_t i = 0; i < dense.rows; ++i) {
      const bool is_own = topics.of_row[i] == topic;
      if (!is_own && seen++ % step != 0) continue;
      Vectors& side = is_own ? in : rest;
      const auto row = dense.row(i);
      side.values.insert(side.values.end(), row.begin(), row.end());
      ++side.rows;
    }
    if (in.rows < 5 || rest.rows < 5) continue;
    MmdOptions options;
    options.sigmas = sigmas;
    options.threads = 1;
    const auto estimate = mmd_estimate(rest.view(), in.view(), options);
    if (estimate && estimate->unbiased > 0) made.emplace_back(estimate->unbiased, topic);
  }
  std::sort(made.begin(), made.end());
  return made;
}

}  // namespace

std::string_view primary_member_name(PrimaryMember member) {
  constexpr std::array<std::string_view, kPrimaryMembers> kNames{"novelty", "mean embedding", "topics"};
  return kNames[member];
}

Result<PrimaryTest> primary_test(const Neighbours& neighbours, const VectorsView& dense, const Memberships& memberships, const PrimaryOptions& options) {
  const size_t reference = memberships.reference_size(0);
  if (reference < 2 || memberships.items() < reference + 2) return Error(ErrorCode::kData, fmt::format("{} and {} items: a test needs at least two on each side", reference, memberships.items() - reference), "take a longer window");
  PrimaryTest made;
  LLMOPS_ASSIGN(made.novelty, novelty_test(neighbours, memberships, {}, options.threads, options.cancel));
  MmdOptions mmd;
  mmd.threads = options.threads;
  mmd.cancel = options.cancel;
  LLMOPS_ASSIGN(made.mean, mmd_test(dense.part(0, reference), dense.part(reference, dense.rows - reference), memberships, mmd));
  TopicOptions topics;
  topics.topics = options.topics;
  topics.seed = options.seed;
  topics.threads = options.threads;
  topics.cancel = options.cancel;
  LLMOPS_ASSIGN(made.topics, spherical_topics(dense, topics));
  made.shares = topic_share_test(made.topics.of_row, made.topics.count, memberships);
  const std::array<std::vector<double>, kPrimaryMembers> members{made.novelty.statistics, made.mean.statistics, made.shares.statistics};
  made.joint = joint_max_t(members);
  return made;
}

std::array<std::optional<double>, kPrimaryMembers> smallest_visible_shares(const PrimaryTest& test, const VectorsView& dense, size_t reference, double alpha) {
  std::array<std::optional<double>, kPrimaryMembers> made;
  const auto n = static_cast<double>(reference), m = static_cast<double>(dense.rows - reference);
  const double critical = critical_value(test.joint, alpha), margin = normal_quantile(kPower);
  if (const Spread own = spread_of(test.novelty.statistics); own.deviation > 0) {
    // The share itself varies as a binomial share does; solved by stepping, since both sides hold it.
    const double edge = NoveltyOptions{}.edge, needed = own.mean + critical * own.deviation;
    for (double share = 0.001; share <= 1; share += 0.001) {
      if (own.mean + edge * share >= needed + margin * std::sqrt(own.deviation * own.deviation + share * (1 - share) / m)) {
        made[kNovelty] = share;
        break;
      }
    }
  }
  if (test.mean.estimate.sigmas.empty()) return made;
  const auto distances = topic_distances(test.topics, dense, test.mean.estimate.sigmas);
  if (distances.empty()) return made;
  const auto [distance, topic] = distances[distances.size() / 2];
  if (const Spread own = spread_of(test.mean.statistics); own.deviation > 0) made[kMeanEmbedding] = share_within_one(std::sqrt((own.mean + (critical + margin) * own.deviation) / distance));
  if (const Spread own = spread_of(test.shares.statistics); own.deviation > 0) {
    const TopicShift& shift = test.shares.shifts[topic];
    const double share = static_cast<double>(shift.reference + shift.current) / (n + m);
    made[kTopicShares] = share_within_one((own.mean + critical * own.deviation + margin) * std::sqrt(share * (1 - share) * (1 / n + 1 / m)) / (1 - share));
  }
  return made;
}

}  // namespace llmops
