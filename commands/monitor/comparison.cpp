#include "commands/monitor/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "commands/monitor/request_vectors.h"
#include "commands/monitor/window.h"
#include "core/drift/new_intents.h"
#include "core/drift/plane.h"
#include "core/drift/primary.h"
#include "core/drift/vocabulary.h"
#include "core/stats/categories.h"
#include "core/stats/multiple.h"
#include "core/stats/two_sample.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostCarriers = 10, kMostTerms = 10, kMostTopics = 12, kMostIntents = 5, kMostExamples = 3;
constexpr int64_t kDay = 24 * 3'600'000LL;

std::string percent(double share) { return share < 0.0995 ? fmt::format("{:.1f} %", share * 100) : fmt::format("{:.0f} %", share * 100); }
double share_of(int64_t part, size_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::string id_of(const StoredRecord& record) { return record.trace.empty() ? record.span : record.trace; }

class Comparer {
 public:
  Comparer(Session& session, RequestPool pool, Comparison& made) : session_(session), pool_(std::move(pool)), made_(made) {}

  Status run() {
    for (const StoredRecord& record : pool_.records) texts_.emplace_back(*record.input);
    LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(pool_.records.size(), pool_.reference, plan_of(pool_, made_.options.permutations, made_.options.seed)));
    LLMOPS_ASSIGN(vectors_, request_vectors(session_, made_.options.embedder, texts_, pool_.reference, made_.options.seed, made_.options.threads));
    made_.representation = vectors_.description;
    PrimaryOptions primary;
    primary.seed = made_.options.seed;
    primary.threads = made_.options.threads;
    primary.cancel = session_.surroundings().cancel;
    LLMOPS_ASSIGN(test_, primary_test(vectors_.neighbours, vectors_.dense.view(), memberships, primary));
    add_primary();
    terms_ = text_terms(texts_);
    LLMOPS_CHECK(add_others(memberships));
    add_carriers();
    add_terms();
    add_topics();
    add_intents();
    add_days();
    add_map();
    made_.joint_p = test_.joint.p_value;
    made_.verdict = *made_.joint_p <= made_.options.alpha ? DriftVerdict::kDrift : DriftVerdict::kNoDrift;
    return {};
  }

 private:
  size_t current() const { return pool_.current(); }

  void add_primary() {
    const auto smallest = smallest_visible_shares(test_, vectors_.dense.view(), pool_.reference, made_.options.alpha);
    const std::array<double, kPrimaryMembers> own{test_.novelty.p_value, test_.mean.p_value, test_.shares.p_value}, statistics{test_.novelty.statistic, test_.mean.estimate.unbiased, test_.shares.statistic};
    const std::array<const char*, kPrimaryMembers> detectors{"kNN", "MMD", "max-T"};
    for (size_t i = 0; i < kPrimaryMembers; ++i) {
      ComparedTest line;
      line.name = primary_member_name(static_cast<PrimaryMember>(i));
      line.detector = detectors[i];
      line.is_primary = true;
      line.statistic = statistics[i];
      line.p_value = own[i];
      line.adjusted = test_.joint.adjusted[i];
      line.smallest_share = smallest[i];
      made_.tests.push_back(std::move(line));
    }
    made_.tests[kNovelty].effect = fmt::format("{} beyond the 95 % edge", percent(test_.novelty.beyond_edge));
  }

  void add_numbers(const char* name, const char* unit, const std::vector<std::optional<double>>& values) {
    ComparedTest line;
    line.name = name;
    line.detector = "KS";
    std::vector<double> reference, after;
    for (size_t i = 0; i < values.size(); ++i) if (values[i]) (i < pool_.reference ? reference : after).push_back(*values[i]);
    if (reference.size() < kLeastRequests || after.size() < kLeastRequests) {
      line.reason = reference.empty() && after.empty() ? "not recorded" : fmt::format("known of {} and {} requests", reference.size(), after.size());
    } else {
      line.statistic = ks_distance(reference, after);
      line.p_value = ks_exact_p(reference, after);
      if (!line.p_value) line.p_value = ks_asymptotic_p(reference, after);
      line.effect = fmt::format("median {:.4g} -> {:.4g} {}", median(reference), median(after), unit);
    }
    made_.tests.push_back(std::move(line));
  }

  template <class Field>
  void add_mix(const char* name, const Field& field) {
    std::map<std::string, std::pair<int64_t, int64_t>> counts;
    int64_t known = 0;
    for (size_t i = 0; i < pool_.records.size(); ++i) {
      const std::optional<std::string> value = field(pool_.records[i]);
      known += value.has_value();
      auto& [reference, after] = counts[value.value_or("?")];
      ++(i < pool_.reference ? reference : after);
    }
    if (known == 0 || counts.size() < 2) return;           // nothing that could move
    std::vector<int64_t> reference, after;
    std::pair<double, std::string> largest;
    for (const auto& [value, count] : counts) {
      reference.push_back(count.first);
      after.push_back(count.second);
      const double before = share_of(count.first, pool_.reference), now = share_of(count.second, current());
      if (std::fabs(now - before) > std::fabs(largest.first)) largest = {now - before, fmt::format("{} {} -> {}", value, percent(before), percent(now))};
    }
    ComparedTest line;
    line.name = fmt::format("{} mix", name);
    line.detector = "chi2";
    const auto test = chi_squared(reference, after);
    if (!test) return;
    line.statistic = test->statistic;
    line.p_value = test->is_coarse ? permuted_categories_p(chi_squared_statistic, reference, after, static_cast<int64_t>(made_.options.permutations), made_.options.seed) : std::optional(test->p_value);
    line.effect = largest.second;
    made_.tests.push_back(std::move(line));
  }

  Status add_others(const Memberships& memberships) {
    std::vector<std::optional<double>> words, tokens, outputs;
    for (const StoredRecord& record : pool_.records) {
      words.emplace_back(static_cast<double>(split_words(*record.input).size()));
      tokens.push_back(record.input_tokens ? std::optional(static_cast<double>(*record.input_tokens)) : std::nullopt);
      outputs.push_back(record.output_bytes ? std::optional(static_cast<double>(*record.output_bytes)) : std::nullopt);
    }
    const size_t first = made_.tests.size();
    add_numbers("length", "words", words);
    LLMOPS_CHECK(add_vocabulary(memberships));
    if (std::any_of(tokens.begin(), tokens.end(), [](const auto& one) { return one.has_value(); })) add_numbers("input tokens", "tokens", tokens);
    if (std::any_of(outputs.begin(), outputs.end(), [](const auto& one) { return one.has_value(); })) add_numbers("answer length", "bytes", outputs);
    for (const std::string& field : stratum_fields()) {
      if (field == "service" || field == "version") continue;
      if (std::find(made_.options.pool.strata.begin(), made_.options.pool.strata.end(), field) != made_.options.pool.strata.end()) continue;      // held fixed by the strata
      add_mix(field.c_str(), [&](const StoredRecord& record) { return stratum_of(record, field); });
    }
    std::vector<std::optional<double>> p_values;
    for (size_t i = first; i < made_.tests.size(); ++i) p_values.push_back(made_.tests[i].p_value);
    const auto adjusted = holm_adjust(p_values);
    for (size_t i = first; i < made_.tests.size(); ++i) made_.tests[i].adjusted = adjusted[i - first];
    return {};
  }

  Status add_vocabulary(const Memberships& memberships) {
    VocabularyOptions options;
    options.threads = made_.options.threads;
    options.cancel = session_.surroundings().cancel;
    ComparedTest line;
    line.name = "vocabulary";
    line.detector = "max-T";
    const auto test = vocabulary_test(terms_, memberships, options);
    if (!test && test.error().code != ErrorCode::kData) return test.error();
    if (!test) {
      line.reason = test.error().message;
    } else {
      line.statistic = test->statistic;
      line.p_value = test->p_value;
      std::string more, less;
      size_t told = 0;
      for (const TermChange& change : test->terms) {
        if (change.p_adjusted > made_.options.alpha || ++told > 4) break;
        std::string& side = change.z > 0 ? more : less;
        side += (side.empty() ? "" : ", ") + change.term;
      }
      line.effect = (more.empty() ? "" : "+ " + more) + (more.empty() || less.empty() ? "" : "   ") + (less.empty() ? "" : "- " + less);
    }
    made_.tests.push_back(std::move(line));
    const auto unseen = new_words_test(terms_, memberships, made_.options.threads, options.cancel);
    if (!unseen && unseen.error().code != ErrorCode::kData) return unseen.error();
    if (unseen) made_.tests.push_back({"new words", "OOV", false, unseen->statistic, unseen->p_value, std::nullopt, fmt::format("{} of words new, {} before", percent(unseen->current), percent(unseen->reference)), std::nullopt, ""});
    return {};
  }

  // The terms that go with what the current requests carry of the statistic.
  void add_terms() {
    if (made_.mean_statistic <= 0) return;
    std::vector<double> weights(shares_);
    std::fill(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(pool_.reference), 0);
    std::map<std::string_view, std::pair<int64_t, int64_t>> counts;
    for (size_t i = 0; i < terms_.rows.rows(); ++i) for (const uint32_t term : terms_.rows.row_indices(i)) ++(i < pool_.reference ? counts[terms_.terms[term]].first : counts[terms_.terms[term]].second);
    for (const WeightedTerm& one : weighted_log_odds(terms_, weights)) {
      if (made_.terms.size() == kMostTerms || one.z <= 0) break;
      if (is_common_word(one.term)) continue;
      const auto& [reference, after] = counts[one.term];
      made_.terms.push_back({one.term, one.share, reference, after});
    }
  }

  void add_carriers() {
    const VectorsView dense = vectors_.dense.view();
    MmdOptions options;
    options.sigmas = test_.mean.estimate.sigmas;
    options.threads = made_.options.threads;
    shares_.assign(pool_.records.size(), 0);
    if (options.sigmas.empty()) return;
    const auto shares = mmd_shares(dense.part(0, pool_.reference), dense.part(pool_.reference, current()), options);
    if (!shares) return;
    std::copy(shares->reference.begin(), shares->reference.end(), shares_.begin());
    std::copy(shares->current.begin(), shares->current.end(), shares_.begin() + static_cast<std::ptrdiff_t>(pool_.reference));
    made_.mean_statistic = std::accumulate(shares_.begin(), shares_.end(), 0.0);
    if (made_.mean_statistic <= 0) return;
    for (double& share : shares_) share /= made_.mean_statistic;
    made_.appeared = carriers(pool_.reference, pool_.records.size());
    made_.vanished = carriers(0, pool_.reference);
    size_t counted = 0;
    double sum = 0;
    for (const CarryingRequest& one : made_.appeared) if (sum < 0.5 && one.share > 0) sum += one.share, ++counted;
    made_.tests[kMeanEmbedding].effect = counted == 0 ? "" : fmt::format("{} {} {} %", counted, counted == 1 ? "text carries" : "texts carry", std::lround(sum * 100));
  }

  std::vector<CarryingRequest> carriers(size_t first, size_t last) const {
    std::map<std::string_view, CarryingRequest> by_text;
    for (size_t i = first; i < last; ++i) {
      auto [found, fresh] = by_text.try_emplace(texts_[i], CarryingRequest{id_of(pool_.records[i]), std::string(texts_[i]), 0, 0});
      found->second.share += shares_[i];
      ++found->second.copies;
    }
    std::vector<CarryingRequest> made;
    for (auto& [text, one] : by_text) if (one.share > 0) made.push_back(std::move(one));
    std::stable_sort(made.begin(), made.end(), [](const CarryingRequest& a, const CarryingRequest& b) { return a.share > b.share; });
    if (made.size() > kMostCarriers) made.resize(kMostCarriers);
    return made;
  }

  void add_topics() {
    const auto words = topic_words(texts_, test_.topics.of_row, test_.topics.count);
    const std::vector<size_t> exemplars = topic_exemplars(test_.topics);
    std::vector<double> carried(test_.topics.count);
    for (size_t i = 0; i < shares_.size(); ++i) carried[test_.topics.of_row[i]] += shares_[i];
    std::vector<TopicShift> shifts(test_.shares.shifts.begin(), test_.shares.shifts.end());
    std::stable_sort(shifts.begin(), shifts.end(), [](const TopicShift& a, const TopicShift& b) { return std::fabs(a.z) > std::fabs(b.z); });
    if (shifts.size() > kMostTopics) shifts.resize(kMostTopics);
    for (const TopicShift& shift : shifts) {
      told_topics_.emplace(shift.topic, made_.topics.size());
      made_.topics.push_back({words[shift.topic], std::string(texts_[exemplars[shift.topic]]), shift.reference, shift.current, share_of(shift.reference, pool_.reference), share_of(shift.current, current()), shift.z, shift.p_value, carried[shift.topic]});
    }
    if (made_.topics.empty()) return;
    const ComparedTopic& most = made_.topics.front();
    std::string name;
    for (const std::string& word : most.words) name += (name.empty() ? "" : " ") + word;
    made_.tests[kTopicShares].effect = fmt::format("{} \"{}\" {} -> {}", most.z >= 0 ? "+" : "-", name.empty() ? most.exemplar : name, percent(most.reference_share), percent(most.current_share));
  }

  void add_intents() {
    const NewIntents found = new_intents(test_.novelty, vectors_.dense.view().part(pool_.reference, current()));
    is_new_.assign(found.is_new.begin(), found.is_new.end());
    made_.new_requests = std::count(is_new_.begin(), is_new_.end(), true);
    for (const NewIntent& intent : found.intents) {
      if (made_.intents.size() == kMostIntents) break;
      FoundIntent one;
      one.count = static_cast<int64_t>(intent.rows.size());
      one.exemplar = texts_[pool_.reference + intent.rows.front()];
      std::set<std::string_view> told{one.exemplar};
      for (const size_t row : intent.rows) {
        one.ids.push_back(id_of(pool_.records[pool_.reference + row]));
        if (one.examples.size() < kMostExamples && told.insert(texts_[pool_.reference + row]).second) one.examples.emplace_back(texts_[pool_.reference + row]);
      }
      made_.intents.push_back(std::move(one));
    }
  }

  // By one rule for both sides: distance to the reference but itself, beyond the edge of the reference's own.
  void add_days() {
    std::vector<double> known(test_.novelty.reference);
    std::sort(known.begin(), known.end());
    if (known.empty()) return;
    const double edge = known[std::min(known.size() - 1, static_cast<size_t>(std::ceil(NoveltyOptions{}.edge * static_cast<double>(known.size()))))];
    for (size_t i = 0; i < pool_.records.size(); ++i) {
      if (!pool_.records[i].start_ms) continue;
      auto& [beyond, all] = made_.beyond_edge_by_day[*pool_.records[i].start_ms / kDay * kDay];
      beyond += (i < pool_.reference ? test_.novelty.reference[i] : test_.novelty.current[i - pool_.reference]) > edge;
      ++all;
    }
  }

  // New requests first: a picture must not lose them.
  std::vector<size_t> mapped_rows(size_t first, size_t last) const {
    std::vector<size_t> chosen, others;
    for (size_t i = first; i < last; ++i) (i >= pool_.reference && is_new_[i - pool_.reference] && chosen.size() < made_.options.map_points ? chosen : others).push_back(i);
    const size_t room = std::min(made_.options.map_points - chosen.size(), others.size());
    for (size_t i = 0; i < room; ++i) chosen.push_back(others[i * others.size() / room]);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }

  void add_map() {
    if (made_.options.map_points == 0) return;
    const Vectors plane = principal_plane(vectors_.dense.view());
    for (const auto& [first, last] : {std::pair{size_t{0}, pool_.reference}, std::pair{pool_.reference, pool_.records.size()}}) {
      for (const size_t row : mapped_rows(first, last)) {
        const auto told = told_topics_.find(test_.topics.of_row[row]);
        const std::span<const float> at = plane.view().row(row);
        const bool is_current = row >= pool_.reference;
        made_.map.push_back({at[0], at[1], std::string(texts_[row]), told == told_topics_.end() ? std::nullopt : std::optional(told->second), is_current, is_current && is_new_[row - pool_.reference]});
      }
    }
  }

  Session& session_;
  RequestPool pool_;
  Comparison& made_;
  std::vector<std::string_view> texts_;
  RequestVectors vectors_;
  TextTerms terms_;
  PrimaryTest test_;
  std::vector<double> shares_;               // of the biased statistic, each request's; sum 1
  std::vector<bool> is_new_;                 // of each current request
  std::map<size_t, size_t> told_topics_;     // topic -> its index in the report
};

}  // namespace

Result<Comparison> compare_requests(Session& session, std::vector<StoredRecord> reference, std::vector<StoredRecord> current, const ComparisonOptions& options) {
  if (1.0 / static_cast<double>(options.permutations + 1) > options.alpha) {
    return Error(ErrorCode::kUsage, fmt::format("{} permutations cannot give a p-value of {} or less", options.permutations, options.alpha), fmt::format("give --permutations {} or more", static_cast<int64_t>(std::ceil(1 / options.alpha - 1e-9)) - 1));
  }
  Comparison made;
  made.options = options;
  RequestPool pool = pool_requests(std::move(reference), std::move(current), options.pool);
  made.reference_found = pool.reference_found;
  made.current_found = pool.current_found;
  made.reference_used = static_cast<int64_t>(pool.reference);
  made.current_used = static_cast<int64_t>(pool.current());
  made.reference_without_text = pool.reference_without_text;
  made.current_without_text = pool.current_without_text;
  made.continued = pool.continued;
  made.conversations = pool.blocks.empty() ? 0 : static_cast<int64_t>(pool.block_count);
  made.unmatched = pool.unmatched;
  made.is_drawn = pool.is_drawn;
  if (std::min(pool.reference, pool.current()) < kLeastRequests) {
    made.reason = fmt::format("{} and {} requests with a known text: at least {} are needed on each side", pool.reference, pool.current(), kLeastRequests);
    return made;
  }
  if (log_splits(pool) < -std::log(options.alpha)) {
    made.reason = fmt::format("so few conversations and strata have no split that would be rarer than {}", options.alpha);
    return made;
  }
  LLMOPS_CHECK(Comparer(session, std::move(pool), made).run());
  return made;
}

}  // namespace llmops
