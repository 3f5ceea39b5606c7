#include "commands/monitor/request_pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "commands/monitor/window.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

// The requests of one conversation on one side; requests that tell no session stand alone.
struct Conversation { std::vector<size_t> records; std::string stratum; };

std::vector<Conversation> conversations_of(const std::vector<StoredRecord>& records, const std::vector<std::string>& strata) {
  std::vector<Conversation> made;
  std::map<std::string, size_t> index;
  std::vector<std::set<std::string>> keys;
  for (size_t i = 0; i < records.size(); ++i) {
    size_t at = made.size();
    if (records[i].session) at = index.emplace(*records[i].session, made.size()).first->second;
    if (at == made.size()) {
      made.emplace_back();
      keys.emplace_back();
    }
    made[at].records.push_back(i);
    if (!strata.empty()) keys[at].insert(stratum_key(records[i], strata));
  }
  for (size_t i = 0; i < made.size(); ++i) for (const std::string& key : keys[i]) made[i].stratum += (made[i].stratum.empty() ? "" : " + ") + key;
  return made;
}

int64_t drop_unknown_texts(std::vector<StoredRecord>& records) { return static_cast<int64_t>(std::erase_if(records, [](const StoredRecord& record) { return !record.input; })); }

// Whole conversations in a random order, those that still fit; then in their own order again.
void draw(std::vector<Conversation>& conversations, size_t most, uint64_t seed) {
  RandomSource random(seed);
  for (size_t i = 0; i + 1 < conversations.size(); ++i) std::swap(conversations[i], conversations[i + random.below(conversations.size() - i)]);
  size_t records = 0;
  std::erase_if(conversations, [&](const Conversation& one) {
    const bool fits = records + one.records.size() <= most;
    if (fits) records += one.records.size();
    return !fits;
  });
  std::sort(conversations.begin(), conversations.end(), [](const Conversation& a, const Conversation& b) { return a.records.front() < b.records.front(); });
}

size_t size_of(const std::vector<Conversation>& conversations) {
  size_t sum = 0;
  for (const Conversation& one : conversations) sum += one.records.size();
  return sum;
}

}  // namespace

RequestPool pool_requests(std::vector<StoredRecord> reference, std::vector<StoredRecord> current, const PoolOptions& options) {
  RequestPool pool;
  pool.reference_found = static_cast<int64_t>(reference.size());
  pool.current_found = static_cast<int64_t>(current.size());
  pool.reference_without_text = drop_unknown_texts(reference);
  pool.current_without_text = drop_unknown_texts(current);
  std::set<std::string> begun;
  for (const StoredRecord& record : reference) if (record.session) begun.insert(*record.session);
  pool.continued = static_cast<int64_t>(std::erase_if(current, [&](const StoredRecord& record) { return record.session && begun.contains(*record.session); }));
  std::array<std::vector<Conversation>, 2> sides{conversations_of(reference, options.strata), conversations_of(current, options.strata)};
  if (!options.strata.empty()) {
    std::map<std::string, UnmatchedStratum> counts;
    for (const size_t side : {0, 1}) for (const Conversation& one : sides[side]) (side == 0 ? counts[one.stratum].reference : counts[one.stratum].current) += static_cast<int64_t>(one.records.size());
    for (auto& [name, count] : counts) {
      if (count.reference > 0 && count.current > 0) continue;
      count.name = name;
      pool.unmatched.push_back(count);
    }
    for (auto& side : sides) std::erase_if(side, [&](const Conversation& one) { const UnmatchedStratum& count = counts[one.stratum]; return count.reference == 0 || count.current == 0; });
  }
  std::map<std::string, int64_t> strata;
  for (const size_t side : {0, 1}) {
    if (size_of(sides[side]) > options.most) {
      draw(sides[side], options.most, options.seed * 2 + side);
      pool.is_drawn = true;
    }
    std::vector<StoredRecord>& from = side == 0 ? reference : current;
    for (const Conversation& one : sides[side]) {
      for (const size_t i : one.records) {
        pool.records.push_back(std::move(from[i]));
        pool.blocks.push_back(static_cast<int64_t>(pool.block_count));
        if (!options.strata.empty()) pool.strata.push_back(strata.emplace(one.stratum, strata.size()).first->second);
      }
      ++pool.block_count;
    }
    if (side == 0) pool.reference = pool.records.size();
  }
  // Blocks of one request each are none.
  if (pool.block_count == pool.records.size()) pool.blocks.clear();
  return pool;
}

PermutationPlan plan_of(const RequestPool& pool, size_t permutations, uint64_t seed) { return {permutations, seed, pool.blocks, pool.strata}; }

double log_splits(const RequestPool& pool) {
  std::map<int64_t, std::pair<std::set<int64_t>, std::set<int64_t>>> blocks;       // of a stratum, on either side
  for (size_t i = 0; i < pool.records.size(); ++i) {
    auto& [reference, current] = blocks[pool.strata.empty() ? 0 : pool.strata[i]];
    (i < pool.reference ? reference : current).insert(pool.blocks.empty() ? static_cast<int64_t>(i) : pool.blocks[i]);
  }
  double sum = 0;
  for (const auto& [stratum, sides] : blocks) {
    const auto n = static_cast<double>(sides.first.size()), m = static_cast<double>(sides.second.size());
    sum += std::lgamma(n + m + 1) - std::lgamma(n + 1) - std::lgamma(m + 1);
  }
  return sum;
}

}  // namespace llmops
