// The primary family: is anything new, did the mean move, did the shares of topics move? Three tests under one set of splits, at one level together.
//
// No single test sees every drift: prompts of another domain stand far from all that was seen and barely move the mean; intents that grow within a domain move the mean and stand
// near what was seen (docs/drift_power.md holds the figures on real prompts). So both are asked, and the level is kept over all three.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/joint.h"
#include "core/drift/mmd.h"
#include "core/drift/novelty.h"
#include "core/drift/topics.h"

namespace llmops {

struct PrimaryOptions {
  size_t topics = 0;                             // 0: topics_for
  uint64_t seed = 0;
  size_t threads = 0;
  CancelToken cancel;
};

enum PrimaryMember : size_t { kNovelty, kMeanEmbedding, kTopicShares, kPrimaryMembers };
std::string_view primary_member_name(PrimaryMember member);      // "novelty", "mean embedding", "topics"

struct PrimaryTest {
  NoveltyTest novelty;
  MmdTest mean;
  Topics topics;
  TopicTest shares;
  JointTest joint;                               // members in the order of PrimaryMember
};
// `neighbours` and `dense` are of the same pooled items, reference first, both fitted blind to the split (or not fitted at all). Errors: kData: fewer than two on a side; kInterrupted. Cost: mmd_test's, mostly.
Result<PrimaryTest> primary_test(const Neighbours& neighbours, const VectorsView& dense, const Memberships& memberships, const PrimaryOptions& options = {});

// The smallest share of current requests whose change the test would have seen with a probability of 0.8 at this number of requests: by the test's own critical value under the joint splits, and
//   novelty: new requests, that all lie beyond the edge;
//   mean embedding: requests of one topic more, MMD^2 = share^2 MMD^2(topic, rest), for the middle one of the topics by that distance;
//   topics: the same topic's share, by the standard error of a difference of shares.
// By the normal limit; nullopt where even a share of 1 would not do, or nothing varies.
std::array<std::optional<double>, kPrimaryMembers> smallest_visible_shares(const PrimaryTest& test, const VectorsView& dense, size_t reference, double alpha);

}  // namespace llmops
