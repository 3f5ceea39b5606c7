#include "commands/monitor/health_signals.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <unordered_map>

#include "core/base/json.h"
#include "core/telemetry/request_records.h"
#include "core/text/codepoint.h"
#include "core/text/ngram_vectors.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

// Both periods, one after the other: what is told in either is a signal of both.
template <class T>
struct Pair { T before, current; };

// The session of each record by number; a record without one is its own.
std::vector<int64_t> clusters_of(const std::vector<StoredRecord>& records) {
  std::unordered_map<std::string, int64_t> known;
  std::vector<int64_t> clusters;
  int64_t next = 0;
  for (const StoredRecord& one : records) {
    if (!one.session) clusters.push_back(next++);
    else if (const auto [found, is_new] = known.emplace(*one.session, next); clusters.emplace_back(found->second), is_new) ++next;
  }
  return clusters;
}

// Of each record what `value_of` says; nullopt: not told.
template <class ValueOf>
HealthObservations observed(const std::vector<StoredRecord>& records, const ValueOf& value_of) {
  HealthObservations made;
  const std::vector<int64_t> clusters = clusters_of(records);
  for (size_t i = 0; i < records.size(); ++i) if (const std::optional<double> value = value_of(records[i])) made.add(*value, clusters[i]);
  return made;
}

// Values that cannot be are counted and left out.
template <class ValueOf>
HealthObservations measured(const std::vector<StoredRecord>& records, const ValueOf& value_of) {
  int64_t left_out = 0;
  HealthObservations made = observed(records, [&](const StoredRecord& one) -> std::optional<double> {
    const std::optional<double> value = value_of(one);
    if (!value || is_duration(value)) return value;
    ++left_out;
    return std::nullopt;
  });
  made.left_out = left_out;
  return made;
}

std::optional<double> number(const std::optional<int64_t>& value) { return value ? std::optional(static_cast<double>(*value)) : std::nullopt; }
double sign(bool is) { return is ? 1 : 0; }

bool is_hashed(const StoredRecord& record) { return record.output && record.output->starts_with("{\"sha256\":"); }

std::optional<double> sign_of_output(const StoredRecord& record, bool is) { return record.output && !is_hashed(record) ? std::optional(sign(is)) : std::nullopt; }

std::vector<std::string> names_in(const std::optional<std::string>& list) {
  std::vector<std::string> names;
  if (!list) return names;
  const auto parsed = parse_json(*list, "tools");
  if (parsed && parsed->is_array()) for (const Json& one : *parsed) names.push_back(json_to_text(one));
  return names;
}

bool has_loop(const std::vector<std::string>& tools) {
  for (const size_t period : {size_t{1}, size_t{2}}) {
    size_t same = 0;
    for (size_t i = period; i < tools.size(); ++i) {
      same = tools[i] == tools[i - period] ? same + 1 : 0;
      if (same == 2 * period) return true;
    }
  }
  return false;
}

std::vector<std::string> pairs_of(const std::vector<std::string>& steps) {
  std::vector<std::string> pairs;
  for (size_t i = 0; i <= steps.size(); ++i) pairs.push_back((i == 0 ? "start" : steps[i - 1]) + " > " + (i == steps.size() ? "end" : steps[i]));
  return pairs;
}

std::string joined(const std::vector<std::string>& steps) {
  std::string text;
  for (const std::string& one : steps) text += (text.empty() ? "" : " > ") + one;
  return text.empty() ? "none" : text;
}

// 0 / 1 for each request whose session had one before it in the period.
HealthObservations rephrases(const std::vector<StoredRecord>& records) {
  HealthObservations made;
  std::vector<std::string_view> texts;
  std::vector<size_t> of;
  for (size_t i = 0; i < records.size(); ++i) {
    if (!records[i].session || !records[i].input || records[i].input->starts_with("{\"sha256\":")) continue;
    texts.push_back(*records[i].input);
    of.push_back(i);
  }
  NgramOptions options;
  options.characters = true;
  options.dimensions = size_t{1} << 18;
  SparseRows rows = ngram_counts(texts, options);
  weigh(rows, std::vector<float>(options.dimensions, 1.0F));
  const std::vector<int64_t> clusters = clusters_of(records);
  std::unordered_map<std::string_view, size_t> last;
  constexpr double kAlike = 0.8;
  for (size_t row = 0; row < of.size(); ++row) {
    if (rows.row_indices(row).empty()) continue;
    const auto [found, is_first] = last.emplace(*records[of[row]].session, row);
    if (!is_first) {
      made.add(sign(rows.dot(found->second, row) > kAlike), clusters[of[row]]);
      found->second = row;
    }
  }
  return made;
}

// What was judged under one name.
struct Judged { HealthObservations numbers; std::vector<HealthItems> texts; int64_t left_out = 0; };
using JudgedByName = std::map<std::string, Judged>;

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && parsed.ptr == text.data() + text.size() && parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

void judge(const Json& value, const StoredRecord& record, int64_t cluster, Judged& into) {
  if (value.is_null()) return;
  std::optional<double> found;
  if (value.is_boolean()) found = sign(value.get<bool>());
  else if (value.is_number()) found = value.get<double>();
  else if (value.is_string()) found = number_in(value.get_ref<const std::string&>());   // reads "nan" and "inf" too
  if (found && std::isfinite(*found)) into.numbers.add(*found, cluster);
  else if (!found && value.is_string() && !value.get_ref<const std::string&>().empty()) into.texts.push_back({{value.get<std::string>()}, cluster, record.start_ms});
  else ++into.left_out;
}

JudgedByName judged_of(const HealthPeriod& period) {
  JudgedByName judged;
  const std::vector<int64_t> clusters = clusters_of(period.records);
  std::set<std::pair<size_t, std::string>> known;
  for (const auto& [at, score] : period.scores) {
    known.emplace(at, score.name);
    const auto value = parse_json(score.value, "score");
    if (value) judge(*value, period.records[at], clusters[at], judged[score.name]);
    else ++judged[score.name].left_out;
  }
  for (size_t i = 0; i < period.records.size(); ++i) {
    if (!period.records[i].scores) continue;
    const auto scores = parse_json(*period.records[i].scores, "scores");
    if (!scores || !scores->is_object()) continue;
    for (const auto& [name, value] : scores->items()) if (!known.contains({i, name})) judge(value, period.records[i], clusters[i], judged[name]);
  }
  return judged;
}

class Signals {
 public:
  Signals(const HealthPeriod& before, const HealthPeriod& current, uint64_t seed) : before_(before), current_(current), seed_(seed) {}

  HealthSignals make() {
    outcomes();
    times();
    counts();
    models();
    sequences();
    sessions();
    judged();
    return std::move(made_);
  }

 private:
  template <class Of>
  auto both(const Of& of) const { return Pair<decltype(of(before_.records))>{of(before_.records), of(current_.records)}; }

  // False: no request tells it.
  bool is_told(const std::string& name, const Pair<HealthObservations>& values) {
    if (values.current.left_out > 0) made_.left_out[name] += values.current.left_out;
    const bool told = !values.before.values.empty() || !values.current.values.empty();
    if (!told) made_.not_recorded.push_back(name);
    return told;
  }
  void add_rate(const std::string& name, HealthDirection direction, const Pair<HealthObservations>& signs) {
    if (is_told(name, signs)) made_.signals.push_back(compare_rates(name, direction, signs.before, signs.current));
  }
  void add_mean(const std::string& name, const std::string& unit, HealthDirection direction, const Pair<HealthObservations>& values, bool with_total = false) {
    if (!is_told(name, values)) return;
    HealthSignal signal = compare_means(name, unit, direction, values.before, values.current);
    if (with_total) for (const auto& [from, into] : {std::pair{&values.before, &signal.before}, {&values.current, &signal.current}}) if (into->value) into->total = *into->value * static_cast<double>(into->n);
    made_.signals.push_back(std::move(signal));
  }
  // Items of the records for which `names_of` says some.
  template <class NamesOf>
  static std::vector<HealthItems> items(const HealthPeriod& period, const NamesOf& names_of) {
    std::vector<HealthItems> made;
    const std::vector<int64_t> clusters = clusters_of(period.records);
    for (size_t i = 0; i < period.records.size(); ++i) if (std::vector<std::string> names = names_of(period, i); !names.empty()) made.push_back({std::move(names), clusters[i], period.records[i].start_ms});
    return made;
  }
  template <class NamesOf>
  void add_categories(const std::string& name, const NamesOf& names_of, bool is_missed = true) {
    const auto x = items(before_, names_of), y = items(current_, names_of);
    if (!x.empty() || !y.empty()) made_.signals.push_back(compare_categories(name, x, y, seed_));
    else if (is_missed) made_.not_recorded.push_back(name);
  }

  void outcomes() {
    constexpr HealthDirection kUp = HealthDirection::kHigherIsWorse;
    add_rate("errors", kUp, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return tells_outcome(one) ? std::optional(sign(one.error.has_value())) : std::nullopt; }); }));
    // No error at all is no news: the rate says it.
    add_categories("error types", [](const HealthPeriod& period, size_t i) { return period.records[i].error ? std::vector{*period.records[i].error} : std::vector<std::string>(); }, false);
    add_rate("refusals", kUp, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return sign_of_output(one, one.is_refusal); }); }));
    add_rate("empty answers", kUp, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return sign_of_output(one, one.is_empty); }); }));
    add_rate("cut off", kUp, both([](const auto& records) {
      return observed(records, [](const StoredRecord& one) { return one.finish ? std::optional(sign(one.is_cut_off || answer_signs("", *one.finish).is_cut_off)) : std::nullopt; });
    }));
    add_rate("malformed JSON", kUp, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return sign_of_output(one, one.is_malformed_json); }); }));
    add_categories("finish reasons", [](const HealthPeriod& period, size_t i) { return period.records[i].finish ? std::vector{*period.records[i].finish} : std::vector<std::string>(); });
  }

  void times() {
    const auto add = [&](const std::string& name, const Pair<HealthObservations>& values, std::initializer_list<int> percents) {
      if (!is_told(name, values)) return;
      for (const int percent : percents) made_.signals.push_back(compare_quantiles(name + " p" + std::to_string(percent), "ms", percent / 100.0, HealthDirection::kHigherIsWorse, values.before, values.current));
    };
    add("latency", both([](const auto& records) { return measured(records, [](const StoredRecord& one) { return one.latency_ms; }); }), {50, 95, 99});
    // A first token after the last one: a clock was moved.
    add("ttft", both([](const auto& records) {
          return measured(records, [](const StoredRecord& one) { return one.ttft_ms && is_duration(one.latency_ms) && *one.ttft_ms > *one.latency_ms ? std::optional(-1.0) : one.ttft_ms; });
        }), {50, 95});
  }

  void counts() {
    constexpr HealthDirection kNone = HealthDirection::kNeither;
    add_mean("input tokens", "tokens", kNone, both([](const auto& records) { return measured(records, [](const StoredRecord& one) { return number(one.input_tokens); }); }), true);
    add_mean("output tokens", "tokens", kNone, both([](const auto& records) { return measured(records, [](const StoredRecord& one) { return number(one.output_tokens); }); }), true);
    add_mean("cost", "USD", HealthDirection::kHigherIsWorse, both([](const auto& records) { return measured(records, [](const StoredRecord& one) { return one.cost_usd; }); }), true);
  }

  void models() {
    add_rate("other model served", HealthDirection::kHigherIsWorse, both([](const auto& records) {
      return observed(records, [](const StoredRecord& one) { return one.model_asked && one.model_served ? std::optional(sign(is_other_model(*one.model_asked, *one.model_served))) : std::nullopt; });
    }));
    add_categories("model served", [](const HealthPeriod& period, size_t i) {
      const StoredRecord& one = period.records[i];
      if (!one.model_served) return std::vector<std::string>();
      return std::vector{one.model_asked && *one.model_asked != *one.model_served ? *one.model_asked + " -> " + *one.model_served : *one.model_served};
    });
  }

  void sequences() {
    const auto calls_tools = [](const StoredRecord& one) { return one.tools.has_value(); };
    const bool has_tools = std::any_of(before_.records.begin(), before_.records.end(), calls_tools) || std::any_of(current_.records.begin(), current_.records.end(), calls_tools);
    if (has_tools) {
      add_mean("tool calls", "calls", HealthDirection::kNeither, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return std::optional(static_cast<double>(names_in(one.tools).size())); }); }));
      add_rate("tool loops", HealthDirection::kHigherIsWorse, both([](const auto& records) { return observed(records, [](const StoredRecord& one) { return std::optional(sign(has_loop(names_in(one.tools)))); }); }));
      add_sequences("tool sequence", [](const HealthPeriod& period, size_t i) { return std::optional(names_in(period.records[i].tools)); });
    } else {
      made_.not_recorded.emplace_back("tools");
    }
    add_sequences("step sequence", [](const HealthPeriod& period, size_t i) { return i < period.steps.size() && !period.steps[i].empty() ? std::optional(period.steps[i]) : std::nullopt; });
    const auto best = [](const HealthPeriod& period) {
      HealthObservations values;
      const std::vector<int64_t> clusters = clusters_of(period.records);
      for (const auto& [at, score] : period.retrieval_scores) values.add(score, clusters[at]);
      return values;
    };
    add_mean("retrieval score", "score", HealthDirection::kLowerIsWorse, {best(before_), best(current_)});
  }

  template <class StepsOf>
  void add_sequences(const std::string& name, const StepsOf& steps_of) {
    const size_t made = made_.signals.size();
    add_categories(name, [&](const HealthPeriod& period, size_t i) {
      const auto steps = steps_of(period, i);
      return steps ? pairs_of(*steps) : std::vector<std::string>();
    });
    if (made_.signals.size() == made) return;
    const auto whole = [&](const HealthPeriod& period, size_t i) {
      const auto steps = steps_of(period, i);
      return steps ? std::vector{joined(*steps)} : std::vector<std::string>();
    };
    constexpr size_t kSequences = 5;
    std::vector<HealthCategory> sequences = count_categories(items(before_, whole), items(current_, whole), kSequences);
    if (sequences.size() > kSequences) sequences.resize(kSequences);
    made_.signals.back().sequences = std::move(sequences);
  }

  void sessions() { add_rate("rephrases", HealthDirection::kHigherIsWorse, both(rephrases)); }

  void judged() {
    JudgedByName x = judged_of(before_), y = judged_of(current_);
    std::set<std::string> names;
    for (const auto& [name, one] : x) names.insert(name);
    for (const auto& [name, one] : y) names.insert(name);
    if (names.empty()) made_.not_recorded.emplace_back("feedback");
    for (const std::string& name : names) add_judged("score " + name, score_direction(name), x[name], y[name]);
  }

  void add_judged(const std::string& name, HealthDirection direction, const Judged& x, const Judged& y) {
    const size_t numbers = x.numbers.values.size() + y.numbers.values.size(), texts = x.texts.size() + y.texts.size();
    const bool is_number = numbers >= texts;
    // What is told one way by most is left out where it is told the other way.
    const int64_t left_out = y.left_out + (is_number ? std::ssize(y.texts) : std::ssize(y.numbers.values));
    if (left_out > 0) made_.left_out[name] += left_out;
    if (numbers + texts == 0) {
      made_.not_recorded.push_back(name);
    } else if (!is_number) {
      made_.signals.push_back(compare_categories(name, x.texts, y.texts, seed_));
    } else {
      const auto is_sign = [](double value) { return value == 0 || value == 1; };
      const bool is_rate = std::all_of(x.numbers.values.begin(), x.numbers.values.end(), is_sign) && std::all_of(y.numbers.values.begin(), y.numbers.values.end(), is_sign);
      if (is_rate) add_rate(name, direction, {x.numbers, y.numbers});
      else add_mean(name, "score", direction, {x.numbers, y.numbers});
    }
  }

  const HealthPeriod &before_, &current_;
  uint64_t seed_;
  HealthSignals made_;
};

}  // namespace

HealthSignals health_signals(const HealthPeriod& before, const HealthPeriod& current, uint64_t seed) { return Signals(before, current, seed).make(); }

HealthPart part_signals(const std::string& name, const std::vector<StoredRecord>& before, const std::vector<StoredRecord>& current) {
  const auto errors = [](const StoredRecord& one) { return tells_outcome(one) ? std::optional(sign(one.error.has_value())) : std::nullopt; };
  const auto latency = [](const StoredRecord& one) { return one.latency_ms; };
  return {compare_rates(name + " errors", HealthDirection::kHigherIsWorse, observed(before, errors), observed(current, errors)),
      compare_quantiles(name + " latency p95", "ms", 0.95, HealthDirection::kHigherIsWorse, measured(before, latency), measured(current, latency))};
}

bool tells_outcome(const StoredRecord& record) { return record.error || record.output || record.finish; }

bool is_duration(const std::optional<double>& ms) { return ms && std::isfinite(*ms) && *ms >= 0; }

bool is_other_model(std::string_view asked, std::string_view served) {
  const auto plain = [](std::string_view name) {
    std::string made = text::to_lower(std::string(name.substr(name.rfind('/') + 1)));
    constexpr std::string_view kLatest = "latest";
    if (made.size() > kLatest.size() && made.ends_with(kLatest)) made.resize(made.size() - kLatest.size() - 1);   // and what parts it
    return made;
  };
  const std::string a = plain(asked), s = plain(served);
  const auto is_alias = [](const std::string& shorter, const std::string& longer) {
    if (!longer.starts_with(shorter)) return false;
    const std::string rest = longer.substr(shorter.size());
    const auto digits = std::count_if(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
    return rest.empty() || (std::string_view("-@:_").find(rest.front()) != std::string_view::npos && rest.find_first_not_of("0123456789-@:_.v") == std::string::npos && digits != 1 && digits != 2);
  };
  return !is_alias(a, s) && !is_alias(s, a);
}

HealthDirection score_direction(std::string_view name) {
  constexpr std::array<std::string_view, 11> kLess{"error", "toxic", "hallucination", "refusal", "distance", "loss", "perplexity", "bias", "harm", "latency", "cost"};
  const std::string lower = text::to_lower(std::string(name));
  return std::any_of(kLess.begin(), kLess.end(), [&](std::string_view word) { return lower.find(word) != std::string::npos; }) ? HealthDirection::kHigherIsWorse : HealthDirection::kLowerIsWorse;
}

std::optional<double> best_retrieval_score(std::string_view output) {
  if (output.empty() || (output.front() != '[' && output.front() != '{')) return std::nullopt;
  const auto parsed = parse_json(output, "documents");
  if (!parsed) return std::nullopt;
  const Json* list = &*parsed;
  for (const char* name : {"documents", "results"}) if (list->is_object() && list->contains(name)) list = &(*list)[name];
  std::optional<double> best;
  if (!list->is_array()) return best;
  for (const Json& one : *list) {
    if (!one.is_object() || !one.contains("score") || !one["score"].is_number()) continue;
    const double score = one["score"].get<double>();
    if (std::isfinite(score)) best = std::max(best.value_or(score), score);
  }
  return best;
}

}  // namespace llmops
