#include "commands/eval/show.h"

#include <algorithm>
#include <fmt/format.h>

namespace llmops {
namespace {

std::optional<Json> parsed(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto json = parse_json(text, "store");
  if (!json) return std::nullopt;
  return std::move(*json);
}

// Runs of the same chain before this one, newest first.
Result<std::vector<RunRecord>> runs_before(Store& store, const RunRecord& run) {
  constexpr int kLookBack = 200;
  LLMOPS_ASSIGN(std::vector<RunRecord> runs, store.runs(kLookBack));
  std::erase_if(runs, [&](const RunRecord& other) { return other.number >= run.number || other.chain != run.chain; });
  return runs;
}

// The same step of the same case in the newest run before this one.
struct Earlier { int64_t run = 0; SpanRecord span; };

Result<std::optional<Earlier>> find_earlier(Store& store, const std::vector<RunRecord>& earlier_runs, const CaseRecord& record, const SpanRecord& span) {
  for (const RunRecord& other : earlier_runs) {
    Store::CaseFilter filter;
    filter.case_id = record.case_id;
    filter.step = span.step;
    filter.with_spans = true;
    filter.with_scores = false;
    std::optional<Earlier> found;
    LLMOPS_CHECK(store.visit_cases(other.number, filter, [&](const CaseRecord& candidate) {
      if (candidate.repeat != record.repeat) return true;
      for (const SpanRecord& one : candidate.spans) {
        // A reused span holds no key of its own; the run that made it does.
        if (one.item == span.item && one.error_code.empty() && !one.skipped && !one.memo_key.empty()) found = Earlier{other.number, one};
      }
      return !found.has_value();
    }));
    if (found) return found;
  }
  return std::optional<Earlier>();
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Which parts of the key differ between two runs of a step.
std::string changed_key_parts(const SpanRecord& now, const SpanRecord& before) {
  std::vector<std::string> parts;
  const auto values_now = parsed(now.input), values_before = parsed(before.input);
  if (values_now && values_before && values_now->is_object() && values_before->is_object()) {
    for (const auto& [name, value] : values_now->items()) {
      const auto other = values_before->find(name);
      if (other == values_before->end()) parts.push_back(fmt::format("'{}' is read anew", name));
      else if (!json_equal(*other, value)) parts.push_back(fmt::format("'{}' changed", name));
    }
  }
  const bool prompt_changed = now.prompt != before.prompt && !now.prompt.empty();
  if (prompt_changed && parts.empty()) parts.push_back("the prompt changed");
  const auto key_now = parsed(now.attributes), key_before = parsed(before.attributes);
  if (key_now && key_before && key_now->contains("response_key") && key_before->contains("response_key")) {
    for (const auto& [name, value] : (*key_now)["response_key"].items()) {
      if (name == "messages") continue;
      const Json& old = (*key_before)["response_key"];
      if (!old.contains(name) || old[name] != value) parts.push_back(fmt::format("{} changed", name));
    }
  }
  if (parts.empty()) return "the definition of the step or a file it uses changed";
  return join(parts);
}

Result<CacheExplanation> explain(Store& store, const std::vector<RunRecord>& earlier_runs, const CaseRecord& record, const SpanRecord& span) {
  if (span.skipped) return CacheExplanation{"skipped", ""};
  if (span.kind == "external" || span.kind == "tool") return CacheExplanation{"", ""};
  if (span.cache == SpanCache::kStep) return CacheExplanation{"reused", "step: its definition, files, model and inputs were seen before"};
  if (span.cache == SpanCache::kResponse) return CacheExplanation{"reused", "reply: the provider was asked exactly this before"};
  if (!span.error_code.empty()) return CacheExplanation{"run anew", "it ended in an error, and errors are never kept"};
  // A turn of an agent and a repair are kept with their step; alone they are only known to the provider's cache.
  if (span.parent >= 0 && span.memo_key.empty()) return CacheExplanation{"", ""};
  if (span.memo_key.empty()) return CacheExplanation{"run anew", "bodies are not kept (capture), so nothing can be reused"};
  LLMOPS_ASSIGN(const auto earlier, find_earlier(store, earlier_runs, record, span));
  if (!earlier) return CacheExplanation{"run anew", "first run of this step on this case"};
  if (earlier->span.memo_key == span.memo_key) return CacheExplanation{"run anew", fmt::format("asked to (--no-cache); run {} holds the same", earlier->run)};
  return CacheExplanation{"run anew", fmt::format("{} since run {}", changed_key_parts(span, earlier->span), earlier->run)};
}

}  // namespace

Result<EvalShowReport> eval_show(Session& session, const EvalShowOptions& options) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  EvalShowReport report;
  LLMOPS_ASSIGN(report.run, store->find_run(options.run));
  if (auto summary = parsed(report.run.summary)) report.summary = std::move(*summary);
  LLMOPS_ASSIGN(const auto finished, store->finished_cases(report.run.number));
  report.stored_cases = static_cast<int64_t>(finished.size());
  const bool wants_cases = !options.case_id.empty() || !options.step.empty() || options.failed || options.errors;
  if (!wants_cases) return report;
  Store::CaseFilter filter;
  if (!options.case_id.empty()) filter.case_id = options.case_id;
  if (!options.step.empty()) filter.step = options.step;
  filter.failed_only = options.failed;
  filter.errors_only = options.errors;
  filter.with_spans = !options.case_id.empty() || !options.step.empty() || options.errors;
  bool step_seen = false;
  LLMOPS_CHECK(store->visit_cases(report.run.number, filter, [&](const CaseRecord& record) {
    step_seen = step_seen || !record.spans.empty();
    report.cases.push_back({record, {}});
    return true;
  }));
  if (!options.case_id.empty() && report.cases.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("run {} has no case '{}'", report.run.number, options.case_id), fmt::format("see: llmops eval show {} --failed", report.run.number));
  }
  if (!options.step.empty() && !report.cases.empty() && !step_seen) {
    return Error(ErrorCode::kNotFound, fmt::format("run {} has no step '{}'", report.run.number, options.step), fmt::format("see the components: llmops eval show {}", report.run.number));
  }
  if (!options.case_id.empty()) {
    LLMOPS_ASSIGN(const auto earlier_runs, runs_before(*store, report.run));
    for (ShownCase& shown : report.cases) {
      for (const SpanRecord& span : shown.record.spans) {
        LLMOPS_ASSIGN(CacheExplanation why, explain(*store, earlier_runs, shown.record, span));
        shown.why.push_back(std::move(why));
      }
    }
  }
  return report;
}

Result<EvalListReport> eval_list(Session& session, int limit) {
  EvalListReport report;
  auto store = session.store(false);
  if (!store) {
    if (store.error().code == ErrorCode::kNotFound) return report;
    return std::move(store).error();
  }
  LLMOPS_ASSIGN(report.runs, (*store)->runs(limit));
  return report;
}

Result<CacheStatsReport> eval_cache_stats(Session& session) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  CacheStatsReport report;
  LLMOPS_ASSIGN(report.stats, store->cache_stats());
  return report;
}

Result<CacheExplainReport> eval_cache_explain(Session& session, const EvalShowOptions& options) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  CacheExplainReport report;
  LLMOPS_ASSIGN(report.run, store->find_run(options.run));
  Store::CaseFilter filter;
  if (!options.case_id.empty()) filter.case_id = options.case_id;
  if (!options.step.empty()) filter.step = options.step;
  filter.with_spans = true;
  filter.with_scores = false;
  std::vector<CaseRecord> records;
  LLMOPS_CHECK(store->visit_cases(report.run.number, filter, [&](const CaseRecord& record) {
    records.push_back(record);
    return true;
  }));
  if (records.empty()) return Error(ErrorCode::kNotFound, fmt::format("run {} has no such case", report.run.number), fmt::format("see: llmops eval show {}", report.run.number));
  LLMOPS_ASSIGN(const auto earlier_runs, runs_before(*store, report.run));
  for (const CaseRecord& record : records) {
    for (const SpanRecord& span : record.spans) {
      if (span.kind == "external" || span.skipped) continue;
      LLMOPS_ASSIGN(const CacheExplanation why, explain(*store, earlier_runs, record, span));
      report.reused += why.state == "reused";
      report.run_anew += why.state == "run anew";
      report.rows.push_back({record.case_id, span.step, why.state, why.reason, span.item});
    }
  }
  return report;
}

Result<int64_t> eval_cache_clear(Session& session) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  return store->clear_cache();
}

}  // namespace llmops
