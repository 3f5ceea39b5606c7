#include "commands/monitor/test.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "commands/monitor/embedder.h"
#include "commands/monitor/sample_file.h"

namespace llmops {
namespace {

constexpr size_t kLeastItems = 8;

// log of the number of ways to split: no permutation test has a p-value below one over it.
double log_splits(size_t n, size_t m) { return std::lgamma(static_cast<double>(n + m) + 1) - std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(m) + 1); }

Result<const Detector*> chosen_detector(const std::string& method, SampleKind kind) {
  const std::string name = method.empty() ? std::string(default_detector(kind)) : method;
  if (const Detector* found = find_detector(name)) return found;
  std::vector<std::string> names;
  for (const Detector& one : detectors()) names.emplace_back(one.name);
  return Error(ErrorCode::kUsage, fmt::format("unknown method '{}'", name), did_you_mean(name, names));
}

// From vectors at the end of a pooled matrix, or at its start.
void take_rows(Sample& sample, const Vectors& pooled, size_t first) {
  const VectorsView part = pooled.view().part(first, sample.texts.size());
  sample.kind = SampleKind::kVectors;
  sample.vectors = {std::vector<float>(part.values.begin(), part.values.end()), part.rows, part.dimensions};
}

// Both samples of texts, as rows of one matrix.
Result<UsedEmbedder> embed_samples(Embedder& embedder, Sample& reference, Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Vectors pooled, embedder.dense(reference.texts, current.texts, options.dimensions, options.seed));
  take_rows(reference, pooled, 0);
  take_rows(current, pooled, reference.texts.size());
  return UsedEmbedder{embedder.name(), std::string(embedder_kind_name(embedder.kind())), embedder.describe(pooled.dimensions), pooled.dimensions};
}

}  // namespace

std::string_view drift_verdict_name(DriftVerdict verdict) {
  constexpr std::array<std::string_view, 3> kNames{"drift", "no drift", "not enough data"};
  return kNames[static_cast<size_t>(verdict)];
}

Result<MonitorTestReport> monitor_test(const Session& session, const MonitorTestOptions& options) {
  const fs::path& here = session.surroundings().working_directory;
  const SampleColumns columns{options.field, options.context};
  LLMOPS_ASSIGN(Sample reference, read_sample(here / options.reference, options.reference, columns));
  LLMOPS_ASSIGN(Sample current, read_sample(here / options.current, options.current, columns));
  // One text among numbers makes a file of texts; then the other one is read as texts too.
  LLMOPS_ASSIGN(const Detector* detector, chosen_detector(options.method, reference.kind));
  MonitorTestReport report;
  const auto take_as_texts = [&](Sample& numbers, const std::string& name, const std::string& other) {
    as_texts(numbers);
    report.notes.push_back(fmt::format("'{}' holds numbers, taken as texts because '{}' holds texts", name, other));
  };
  if (reference.kind == SampleKind::kTexts && current.kind == SampleKind::kNumbers) take_as_texts(current, options.current, options.reference);
  if (reference.kind == SampleKind::kNumbers && current.kind == SampleKind::kTexts) take_as_texts(reference, options.reference, options.current);
  const bool holds_texts = reference.kind == SampleKind::kTexts && current.kind == SampleKind::kTexts;
  const bool embeds = holds_texts && detector->kind == SampleKind::kVectors;
  if (!options.embedder.empty() && !embeds) {
    const bool takes_vectors = detector->kind == SampleKind::kVectors;
    return Error(ErrorCode::kUsage, fmt::format("'{}' would not use an embedder: {} {}", detector->name, takes_vectors ? "the files hold" : "it compares", sample_kind_name(takes_vectors ? reference.kind : detector->kind)), "leave out --embedder");
  }
  report.reference = options.reference;
  report.current = options.current;
  report.method = detector->name;
  report.kind = sample_kind_name(reference.kind);
  report.statistic_name = detector->statistic;
  report.convention = detector->convention;
  report.source = detector->source;
  report.reference_count = reference.size();
  report.current_count = current.size();
  report.alpha = options.alpha;
  report.seed = options.seed.value_or(0);
  if (1.0 / static_cast<double>(options.permutations + 1) > options.alpha) return Error(ErrorCode::kUsage, fmt::format("{} permutations cannot give a p-value of {} or less", options.permutations, options.alpha), fmt::format("give --permutations {} or more", static_cast<int64_t>(std::ceil(1 / options.alpha - 1e-9)) - 1));
  if (std::min(reference.size(), current.size()) < kLeastItems) {
    report.reason = fmt::format("{} and {} items: at least {} are needed on each side", reference.size(), current.size(), kLeastItems);
    return report;
  }
  DetectorOptions with;
  with.permutations = options.permutations;
  with.seed = report.seed;
  with.threads = options.threads;
  with.cancel = session.surroundings().cancel;
  if (embeds) {
    LLMOPS_ASSIGN(Embedder embedder, open_embedder(session, options.embedder));
    LLMOPS_ASSIGN(report.embedder, embed_samples(embedder, reference, current, with));
  }
  LLMOPS_ASSIGN(report.result, run_detector(*detector, reference, current, with));
  if (holds_texts) for (const auto& [index, share] : report.result.carriers) report.carriers.push_back(current.texts[index]);
  const bool can_reach = log_splits(reference.size(), current.size()) >= -std::log(options.alpha);
  if (!report.result.p_value || !can_reach) report.reason = fmt::format("{} and {} items have no split that would be rarer than {}", reference.size(), current.size(), options.alpha);
  else report.verdict = *report.result.p_value <= options.alpha ? DriftVerdict::kDrift : DriftVerdict::kNoDrift;
  return report;
}

}  // namespace llmops
