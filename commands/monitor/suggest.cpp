#include "commands/monitor/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "commands/monitor/comparison.h"
#include "commands/monitor/evaluation_inputs.h"
#include "commands/monitor/feedback.h"
#include "commands/monitor/health_signals.h"
#include "commands/monitor/request_vectors.h"
#include "core/base/fs.h"
#include "core/data/near.h"
#include "core/data/normal_form.h"
#include "core/drift/new_intents.h"
#include "core/drift/topics.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, 3> kNames{"cases", "preferences", "tuning"}, kDataKinds{"dataset", "preferences", "task-dataset"};
constexpr double kUncovered = 0.05;          // p-value up to which an input counts as not covered
constexpr double kSameWords = 0.8;           // of short texts that are one: "where is my card" and "where is my loan" are two

bool is_whole(const std::optional<std::string>& text, const std::optional<int64_t>& bytes) { return !bytes || *bytes <= std::ssize(*text); }

struct NearTexts { NearOptions options; ShingleStore store; };

// Texts in normal form, for the searches of core/data/near.h.
Result<NearTexts> near_texts(const std::vector<std::string>& normal) {
  std::vector<size_t> lengths;
  for (const std::string& text : normal) lengths.push_back(count_words(text));
  std::sort(lengths.begin(), lengths.end());
  NearTexts made{near_options_for(lengths.empty() ? 0 : lengths[lengths.size() / 2]), ShingleStore()};
  if (made.options.measure == NearMeasure::kWordEdits) made.options.threshold = kSameWords;
  NearEncoder encoder(made.options);
  std::vector<uint32_t> row;
  for (const std::string& text : normal) {
    row.clear();
    encoder.encode(text, row);
    LLMOPS_CHECK(made.store.add(row));
  }
  LLMOPS_CHECK(made.store.seal());
  return made;
}

class Suggester {
 public:
  Suggester(Session& session, const MonitorSuggestOptions& options, const ChosenRequests& chosen, std::string embedder, MonitorSuggestReport& report) : session_(session), options_(options), chosen_(chosen), embedder_(std::move(embedder)), report_(report) {}

  Status run() {
    LLMOPS_ASSIGN(records_, readable_records(*chosen_.store, chosen_.query));
    report_.found = std::ssize(records_);
    if (records_.empty()) {
      report_.reason = "the window holds no requests";
      return {};
    }
    LLMOPS_CHECK(read_evaluation());
    LLMOPS_CHECK(leave_out());
    if (report_.kind == SuggestionKind::kCases) return add_cases();
    LLMOPS_CHECK(choose_score());
    if (report_.score.empty()) return {};
    return report_.kind == SuggestionKind::kPreferences ? add_preferences() : add_tuning();
  }

 private:
  // One input, and how often it was asked.
  struct Asked { size_t row = 0; int64_t requests = 0; double distance = 0; std::optional<double> p_value; };
  // Rows of the pool that ask for one thing, the exemplar first.
  using Groups = std::vector<std::vector<Asked>>;

  std::string clean(const std::string& text) const { return session_.scrubber().scrub(text); }

  Status read_evaluation() {
    auto inputs = evaluation_inputs(session_, options_.suite, serving_version(records_));
    if (!inputs) {
      const auto suites = session_.suite_files();
      const bool has_none = options_.suite.empty() && session_.setting("suite").empty() && suites && suites->empty();
      if (has_none && inputs.error().code == ErrorCode::kNotFound) return read_time_before();
      return std::move(inputs).error();
    }
    evaluation_ = std::move(*inputs);
    report_.evaluation = evaluation_.name;
    for (const StoredRecord& one : evaluation_.requests) if (one.input) cases_.insert(normal_form(*one.input));
    report_.cases = std::count_if(evaluation_.requests.begin(), evaluation_.requests.end(), [](const StoredRecord& one) { return one.input.has_value(); });
    return {};
  }

  // Where nothing was evaluated yet, what was asked before the window is what new requests are held against.
  Status read_time_before() {
    if (report_.kind != SuggestionKind::kCases) return {};
    LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session_));
    RecordQuery before = chosen_.query;
    before.window = {chosen_.window.from_ms - config.against_ms, chosen_.window.from_ms};
    LLMOPS_ASSIGN(std::vector<StoredRecord> records, readable_records(*chosen_.store, before));
    std::erase_if(records, [](const StoredRecord& one) { return !one.input; });
    if (records.size() < kLeastRequests) return {};
    evaluation_.name = fmt::format("the requests of {}", format_window(before.window));
    evaluation_.requests = std::move(records);
    report_.evaluation = evaluation_.name;
    report_.is_time_before = true;
    for (const StoredRecord& one : evaluation_.requests) cases_.insert(normal_form(*one.input));
    report_.cases = std::ssize(evaluation_.requests);
    return {};
  }

  Status leave_out() {
    LLMOPS_ASSIGN(std::set<std::string> begun, sessions_before(*chosen_.store, chosen_.query));
    const bool wants_answers = report_.kind != SuggestionKind::kCases;
    std::vector<StoredRecord> kept;
    for (StoredRecord& one : records_) {
      const bool continues = one.session && !begun.insert(*one.session).second;
      const char* why = nullptr;
      if (!one.input || (wants_answers && !one.output && !one.error)) why = "without a known text";
      else if (continues) why = "continue a conversation";
      else if (!is_whole(one.input, one.input_bytes) || (one.output && wants_answers && !is_whole(one.output, one.output_bytes))) why = "longer than what is stored";
      else if (normal_form(*one.input).empty()) why = "empty";
      else if (cases_.contains(normal_form(*one.input))) why = report_.is_time_before ? "were asked before" : "are cases already";
      else if (wants_answers && (!one.output || one.error || one.is_empty || one.is_refusal || one.is_cut_off || one.is_malformed_json)) why = "answered with an error, a refusal, or in part";
      if (why != nullptr) ++report_.left_out[why];
      else kept.push_back(std::move(one));
    }
    records_ = std::move(kept);
    return {};
  }

  // ---- cases ----
  Status add_cases() {
    report_.input_column = evaluation_.columns.input;
    std::map<std::string, int64_t> copies;
    std::vector<StoredRecord> distinct;
    for (StoredRecord& one : records_) if (++copies[normal_form(*one.input)] == 1) distinct.push_back(std::move(one));
    const bool has_cases = report_.cases >= kLeastCases;
    pool_ = pool_requests(has_cases ? evaluation_.requests : std::vector<StoredRecord>(), std::move(distinct), {{}, options_.most, options_.seed.value_or(0)});
    std::vector<std::string_view> texts;
    for (const StoredRecord& one : pool_.records) texts.emplace_back(*one.input);
    if (pool_.current() == 0) {
      report_.reason = "no request of the window is left to look at";
      return {};
    }
    LLMOPS_ASSIGN(vectors_, request_vectors(session_, embedder_, texts, pool_.reference, options_.seed.value_or(0), options_.threads));
    std::vector<Asked> asked;
    for (size_t i = pool_.reference; i < pool_.records.size(); ++i) asked.push_back({i, copies[normal_form(*pool_.records[i].input)], 0, std::nullopt});
    if (has_cases) {
      LLMOPS_CHECK(keep_uncovered(asked));
    }
    if (!cases_.empty()) LLMOPS_CHECK(leave_out_near_cases(asked));
    for (const Asked& one : asked) report_.candidates += one.requests;
    if (asked.empty()) {
      report_.reason = report_.is_time_before ? "nothing was asked that was not asked before" : "the cases cover what the window asks";
      return {};
    }
    LLMOPS_CHECK(join_near(asked));
    LLMOPS_ASSIGN(Groups groups, has_cases ? Result<Groups>(grouped(asked)) : by_topic(asked));
    write_cases(groups);
    return {};
  }

  Status keep_uncovered(std::vector<Asked>& asked) {
    LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(pool_.records.size(), pool_.reference, {1, options_.seed.value_or(0), {}, {}}));
    LLMOPS_ASSIGN(novelty_, novelty_test(vectors_.neighbours, memberships, {}, options_.threads, session_.surroundings().cancel));
    std::vector<double> known(novelty_.reference);
    std::sort(known.begin(), known.end());
    const auto all = static_cast<double>(known.size() + 1);
    const double least = std::max(kUncovered, 1 / all) + 1e-12;
    for (Asked& one : asked) {
      one.distance = novelty_.current[one.row - pool_.reference];
      one.p_value = static_cast<double>(1 + (known.end() - std::lower_bound(known.begin(), known.end(), one.distance))) / all;
    }
    std::erase_if(asked, [&](const Asked& one) { return *one.p_value > least; });
    return {};
  }

  std::vector<std::string> normal_forms(const std::vector<Asked>& asked) const {
    std::vector<std::string> normal;
    for (const Asked& one : asked) normal.push_back(normal_form(*pool_.records[one.row].input));
    return normal;
  }

  // A case but for a word or two is covered, however far such words lie.
  Status leave_out_near_cases(std::vector<Asked>& asked) {
    std::vector<std::string> normal(cases_.begin(), cases_.end());
    const size_t first = normal.size();
    for (std::string& text : normal_forms(asked)) normal.push_back(std::move(text));
    LLMOPS_ASSIGN(const NearTexts texts, near_texts(normal));
    const NearMatches found = find_near_matches(texts.store, texts.options, first);
    std::unordered_set<uint32_t> covered;
    for (const NearMatch& match : found.matches) covered.insert(match.b);
    std::vector<Asked> kept;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (covered.contains(found.same_as[first + i])) report_.left_out[report_.is_time_before ? "were asked before, but for a word" : "are cases already, but for a word"] += asked[i].requests;
      else kept.push_back(asked[i]);
    }
    asked = std::move(kept);
    return {};
  }

  // What is asked most stands for the near-duplicates of it.
  Status join_near(std::vector<Asked>& asked) const {
    std::stable_sort(asked.begin(), asked.end(), [](const Asked& a, const Asked& b) { return a.requests != b.requests ? a.requests > b.requests : a.distance > b.distance; });
    LLMOPS_ASSIGN(const NearTexts texts, near_texts(normal_forms(asked)));
    const std::vector<Leader> leaders = find_near_leaders(texts.store, texts.options).leaders;
    std::vector<Asked> kept;
    for (size_t i = 0; i < asked.size(); ++i) if (leaders[i].row != i) asked[leaders[i].row].requests += asked[i].requests;
    for (size_t i = 0; i < asked.size(); ++i) if (leaders[i].row == i) kept.push_back(asked[i]);
    asked = std::move(kept);
    return {};
  }

  Vectors rows_of(const std::vector<Asked>& asked) const {
    Vectors made{{}, asked.size(), vectors_.dense.dimensions};
    for (const Asked& one : asked) {
      const auto row = vectors_.dense.view().row(one.row);
      made.values.insert(made.values.end(), row.begin(), row.end());
    }
    return made;
  }

  // All of them are called new already: a rate of 1 groups each.
  Groups grouped(const std::vector<Asked>& asked) const {
    NoveltyTest chosen;
    chosen.reference = novelty_.reference;
    for (const Asked& one : asked) chosen.current.push_back(one.distance);
    NewIntentOptions all;
    all.false_discovery_rate = 1;
    Groups groups;
    for (const NewIntent& intent : new_intents(chosen, rows_of(asked).view(), all).intents) {
      auto& group = groups.emplace_back();
      for (const size_t row : intent.rows) group.push_back(asked[row]);
    }
    return groups;
  }

  Result<Groups> by_topic(const std::vector<Asked>& asked) const {
    TopicOptions clustering;
    clustering.seed = options_.seed.value_or(0);
    clustering.threads = options_.threads;
    clustering.cancel = session_.surroundings().cancel;
    // As many as there is room for, where there are fewer texts than make topics of 25.
    clustering.topics = std::min(asked.size(), std::max(topics_for(asked.size()), std::min<size_t>(options_.limit, 10)));
    LLMOPS_ASSIGN(const Topics topics, spherical_topics(rows_of(asked).view(), clustering));
    std::vector<size_t> order(asked.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return topics.similarities[a] > topics.similarities[b]; });
    Groups groups(topics.count);
    for (const size_t i : order) groups[topics.of_row[i]].push_back(asked[i]);
    return groups;
  }

  void write_cases(Groups& groups) {
    const auto requests_of = [](const std::vector<Asked>& group) { return std::accumulate(group.begin(), group.end(), int64_t{0}, [](int64_t sum, const Asked& one) { return sum + one.requests; }); };
    std::stable_sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) { return requests_of(a) != requests_of(b) ? requests_of(a) > requests_of(b) : a.front().distance > b.front().distance; });
    for (size_t round = 0, met = 1; met > 0; ++round) {
      met = 0;
      for (const auto& group : groups) {
        if (round >= group.size()) continue;
        ++met;
        if (report_.rows.size() == options_.limit) return;
        report_.rows.push_back(case_row(group[round], round == 0 ? requests_of(group) : group[round].requests));
      }
    }
  }

  Json case_row(const Asked& one, int64_t like) const {
    const StoredRecord& record = pool_.records[one.row];
    const CaseColumns& columns = evaluation_.columns;
    Json row = {{columns.id, record.trace}, {columns.input, clean(*record.input)}};
    for (const std::string& name : columns.others) row[name] = nullptr;
    row["from"] = record.trace;
    row["like"] = like;
    if (one.p_value) row["novelty_p"] = *one.p_value;
    return row;
  }

  // ---- what was judged ----
  Status choose_score() {
    LLMOPS_ASSIGN(std::vector<NumericScores> scores, numeric_scores(*chosen_.store, records_));
    const std::optional<std::string> most = most_used_score(scores);
    std::set<std::string> names;
    for (const NumericScores& one : scores) for (const auto& [name, value] : one) names.insert(name);
    if (!options_.score.empty() && !names.contains(options_.score) && !names.empty()) {
      return Error(ErrorCode::kUsage, fmt::format("no request of the window is judged by '{}'", options_.score), did_you_mean(options_.score, {names.begin(), names.end()}));
    }
    if (!most) {
      report_.reason = "no request that could be used is judged by a number";
      return {};
    }
    report_.score = options_.score.empty() ? *most : options_.score;
    is_lower_better_ = score_direction(report_.score) == HealthDirection::kHigherIsWorse;
    for (const NumericScores& one : scores) {
      const auto found = one.find(report_.score);
      score_of_.push_back(found == one.end() ? std::nullopt : std::optional(found->second));
      if (found == one.end()) continue;
      report_.lowest = std::min(report_.lowest.value_or(found->second), found->second);
      report_.highest = std::max(report_.highest.value_or(found->second), found->second);
    }
    return {};
  }

  double goodness(double score) const { return is_lower_better_ ? -score : score; }

  // The best and the worst answer to each input.
  Status add_preferences() {
    struct Answer { double sum = 0; int64_t count = 0; size_t first = 0; double mean() const { return sum / static_cast<double>(count); } };
    std::map<std::string_view, std::map<std::string_view, Answer>> answers;
    for (size_t i = 0; i < records_.size(); ++i) {
      if (!score_of_[i]) continue;
      auto [found, fresh] = answers[*records_[i].input].try_emplace(*records_[i].output, Answer{0, 0, i});
      found->second.sum += *score_of_[i];
      ++found->second.count;
    }
    struct Pair { Answer chosen, rejected; };
    std::vector<Pair> pairs;
    for (const auto& [input, of_input] : answers) {
      Pair pair{of_input.begin()->second, of_input.begin()->second};
      for (const auto& [output, answer] : of_input) {
        if (goodness(answer.mean()) > goodness(pair.chosen.mean())) pair.chosen = answer;
        if (goodness(answer.mean()) < goodness(pair.rejected.mean())) pair.rejected = answer;
      }
      if (pair.chosen.mean() != pair.rejected.mean()) pairs.push_back(pair);
    }
    report_.candidates = std::ssize(pairs);
    const auto gap = [](const Pair& one) { return std::fabs(one.chosen.mean() - one.rejected.mean()); };
    std::stable_sort(pairs.begin(), pairs.end(), [&](const Pair& a, const Pair& b) { return gap(a) != gap(b) ? gap(a) > gap(b) : a.chosen.first < b.chosen.first; });
    for (const Pair& one : pairs) {
      if (report_.rows.size() == options_.limit) break;
      const StoredRecord &chosen = records_[one.chosen.first], &rejected = records_[one.rejected.first];
      const std::string best = clean(*chosen.output), worst = clean(*rejected.output);
      if (best == worst) continue;           // they differed in a secret alone
      report_.rows.push_back({{"id", chosen.trace}, {"prompt", clean(*chosen.input)}, {"chosen", best}, {"rejected", worst}, {"from", {chosen.trace, rejected.trace}}, {"scores", {one.chosen.mean(), one.rejected.mean()}}});
    }
    if (pairs.empty()) report_.reason = "no input has two answers that were judged differently";
    return {};
  }

  Status add_tuning() {
    const bool is_given = options_.min_score.has_value();
    const double middle = (*report_.lowest + *report_.highest) / 2;
    // Where all are judged alike, above nothing is good.
    const double least = is_given ? *options_.min_score : *report_.lowest == *report_.highest ? 0.0 : middle;
    report_.least = least;
    std::vector<size_t> good;
    for (size_t i = 0; i < records_.size(); ++i) {
      if (!score_of_[i]) continue;
      if (is_given ? goodness(*score_of_[i]) >= goodness(least) : goodness(*score_of_[i]) > goodness(least)) good.push_back(i);
    }
    report_.candidates = std::ssize(good);
    std::stable_sort(good.begin(), good.end(), [&](size_t a, size_t b) { return *score_of_[a] != *score_of_[b] ? goodness(*score_of_[a]) > goodness(*score_of_[b]) : a > b; });
    std::unordered_set<std::string> asked;
    for (const size_t i : good) {
      const StoredRecord& one = records_[i];
      if (report_.rows.size() == options_.limit) break;
      if (!asked.insert(normal_form(*one.input)).second) continue;
      const Json messages = {{{"role", "user"}, {"content", clean(*one.input)}}, {{"role", "assistant"}, {"content", clean(*one.output)}}};
      report_.rows.push_back({{"id", one.trace}, {"messages", messages}, {"from", one.trace}, {"score", *score_of_[i]}});
    }
    if (good.empty()) report_.reason = "no answer was judged well enough";
    return {};
  }

  Session& session_;
  const MonitorSuggestOptions& options_;
  const ChosenRequests& chosen_;
  std::string embedder_;
  MonitorSuggestReport& report_;
  std::vector<StoredRecord> records_;
  EvaluationInputs evaluation_;
  std::set<std::string> cases_;              // normal forms
  RequestPool pool_;
  RequestVectors vectors_;
  NoveltyTest novelty_;
  std::vector<std::optional<double>> score_of_;            // of each record, by the name that judges
  bool is_lower_better_ = false;
};

Status check_output(const Session& session, const MonitorSuggestOptions& options) {
  if (options.out.empty()) return Error(ErrorCode::kUsage, "no file is named to write to", "give it: -o FILE");
  const fs::path path = session.surroundings().working_directory / options.out;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return Error(ErrorCode::kUsage, fmt::format("'{}' is a folder", options.out), "give the name of a new file");
  if (!fs::is_directory(path.parent_path(), ignored)) return Error(ErrorCode::kNotFound, fmt::format("the folder of '{}' does not exist", options.out), "make it first");
  if (fs::exists(path, ignored) && !options.replace) return Error(ErrorCode::kUsage, fmt::format("'{}' exists already", options.out), "give another name, or --force to replace it");
  return {};
}

}  // namespace

std::string_view suggestion_kind_name(SuggestionKind kind) { return kNames[static_cast<size_t>(kind)]; }
std::string_view suggestion_data_kind(SuggestionKind kind) { return kDataKinds[static_cast<size_t>(kind)]; }

Result<SuggestionKind> parse_suggestion_kind(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return static_cast<SuggestionKind>(found - kNames.begin());
  return Error(ErrorCode::kUsage, fmt::format("'{}' is no kind of suggestion", name), did_you_mean(name, {kNames.begin(), kNames.end()}));
}

Result<MonitorSuggestReport> monitor_suggest(Session& session, const MonitorSuggestOptions& options) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  MonitorSuggestReport report;
  LLMOPS_ASSIGN(report.kind, parse_suggestion_kind(options.kind));
  LLMOPS_CHECK(check_output(session, options));
  LLMOPS_ASSIGN(const ChosenRequests chosen, chosen_requests(session, config, options.requests));
  report.window = chosen.window;
  report.component = options.requests.component;
  report.dry_run = options.dry_run;
  LLMOPS_CHECK(Suggester(session, options, chosen, options.embedder.empty() ? config.embedder : options.embedder, report).run());
  if (report.rows.empty()) return report;
  report.file = options.out;
  if (options.dry_run) return report;
  std::string bytes;
  for (const Json& row : report.rows) bytes += dump_json(row) + "\n";
  WriteOptions write;
  write.failpoint = "suggest.write";
  LLMOPS_CHECK(write_file_atomic(session.surroundings().working_directory / options.out, bytes, write));
  return report;
}

}  // namespace llmops
