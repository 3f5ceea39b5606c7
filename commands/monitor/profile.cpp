#include "commands/monitor/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "commands/monitor/profile_records.h"
#include "commands/monitor/window.h"
#include "core/base/duration.h"
#include "core/drift/profile_file.h"
#include "core/telemetry/capture.h"
#include "core/telemetry/request_records.h"

namespace llmops {
namespace {

constexpr size_t kShownWords = 12, kMostFeatures = 4096;

// Formats in which a line is a whole request.
bool stands_alone(std::string_view format) { return format == "records" || format == "OpenAI log" || format == "deepeval"; }

std::string subject_of(const std::string& source) { return source == "-" ? "standard input" : fmt::format("'{}'", source); }

class ProfileMaker {
 public:
  ProfileMaker(Session& session, Capture capture, ProfileSpec spec) : session_(session), capture_(capture), records_(std::move(spec)) {}

  Result<ProfiledSource> take(const std::string& source, const FieldMap& map) {
    const fs::path path = source == "-" ? fs::path("/dev/stdin") : session_.surroundings().working_directory / source;
    LLMOPS_ASSIGN(TraceLineReader reader, TraceLineReader::open(path, source, map));
    reader.share_names();
    ProfiledSource taken;
    taken.source = source == "-" ? "standard input" : source;
    TraceLine line;
    while (true) {
      LLMOPS_ASSIGN(const bool more, reader.next(line));
      if (!more) return taken;
      if (session_.surroundings().cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
      LLMOPS_CHECK(take_line(source, reader.number(), line, taken));
    }
  }

  Status take(const StoredRecord& record) { return records_.add(record); }
  Profile& profile() { return records_.profile(); }

 private:
  Status take_line(const std::string& source, int number, TraceLine& line, ProfiledSource& taken) {
    ++taken.lines;
    taken.repaired += line.is_repaired;
    profile().left_out.repaired += line.is_repaired;
    if (line.is_evaluation) return Error(ErrorCode::kData, fmt::format("{} is the log of an evaluation by inspect, no production", subject_of(source)), fmt::format("import it as an evaluation: llmops eval import inspect {}", source));
    if (!line.format.empty() && !stands_alone(line.format)) {
      return Error(ErrorCode::kData, fmt::format("{} holds lines of {}, whose requests can go over several lines", subject_of(source), line.format), fmt::format("store them first: llmops monitor ingest {}, then llmops monitor profile --stored", source)).at({source == "-" ? "standard input" : source, number, 0, 1, {}});
    }
    for (const std::string& reason : line.dropped) {
      DroppedSpans& dropped = taken.dropped[reason];
      if (dropped.count++ == 0) dropped.first_line = number;
      ++profile().left_out.dropped[reason];
    }
    if (line.spans.empty()) return {};
    const std::string id = line.spans[0].trace_id;
    for (StoredRecord& record : request_records(make_trace(id, std::move(line.spans)), {})) {
      if (!record.component.empty() && !profile().spec().components) continue;
      record.trace = id;
      if (record.component.empty()) ++taken.records;
      std::optional<std::string> text;
      if (record.input) text = session_.scrubber().scrub(*record.input);
      if (text && capture_ == Capture::kRedacted) text = redact_personal_data(*text);
      LLMOPS_CHECK(records_.add(record, text ? std::optional<std::string_view>(*text) : std::nullopt));
    }
    return {};
  }

  Session& session_;
  Capture capture_;
  ProfiledRecords records_;
};

Result<ProfileSpec> spec_for(const Session& session, const MonitorProfileOptions& options) {
  LLMOPS_CHECK(check_strata(options.strata));
  ProfileSpec spec;
  spec.strata = options.strata;
  std::sort(spec.strata.begin(), spec.strata.end());
  if (std::adjacent_find(spec.strata.begin(), spec.strata.end()) != spec.strata.end()) return Error(ErrorCode::kUsage, "a stratum is given twice", "leave one out");
  if (options.features == 0 || options.features % 8 != 0 || options.features > kMostFeatures) return Error(ErrorCode::kUsage, fmt::format("{} features cannot be", options.features), fmt::format("take a multiple of 8 up to {}", kMostFeatures));
  if (options.seed.value_or(0) >= uint64_t{1} << 53) return Error(ErrorCode::kUsage, fmt::format("seed {} is too large", *options.seed), "take one below 2^53");
  spec.features = options.features;
  spec.seed = options.seed.value_or(0);
  spec.components = options.components;
  spec.capture = session.setting("capture");
  return spec;
}

Status take_stored(const Session& session, const MonitorProfileOptions& options, ProfileMaker& maker) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  Store::RecordFilter filter;
  if (!options.since.empty() || !options.until.empty()) {
    LLMOPS_ASSIGN(filter.to_ms, window_end(session, options.until));
  }
  if (!options.since.empty()) {
    LLMOPS_ASSIGN(const int64_t length, parse_duration_ms(options.since));
    filter.from_ms = *filter.to_ms - length;
  }
  std::vector<std::string> components{""};
  if (options.components) {
    LLMOPS_ASSIGN(const auto names, store->record_components());
    for (const std::string& name : names) if (!name.empty()) components.push_back(name);
  }
  for (const std::string& component : components) {
    filter.component = component;
    Status added;
    LLMOPS_CHECK(store->visit_records(filter, [&](const StoredRecord& record) {
      added = session.surroundings().cancel.cancelled() ? Status(Error(ErrorCode::kInterrupted, "interrupted")) : maker.take(record);
      return added.has_value();
    }));
    LLMOPS_CHECK(added);
  }
  return {};
}

Status check_some_record(const std::vector<ProfiledSource>& sources) {
  int64_t lines = 0, records = 0;
  for (const ProfiledSource& one : sources) {
    lines += one.lines;
    records += one.records;
  }
  if (lines == 0 || records > 0) return {};
  Error error(ErrorCode::kData, fmt::format("{} holds no request", sources.size() == 1 ? subject_of(sources[0].source == "standard input" ? "-" : sources[0].source) : "none of the sources"),
      "give records {\"ts\", \"input\"}, logs of OpenAI, traces of deepeval, or say where the fields are: --map input=/path --map ts=/path");
  for (const ProfiledSource& one : sources) for (const auto& [reason, dropped] : one.dropped) error.details.push_back(fmt::format("{} x {}   (first in line {} of {})", dropped.count, reason, dropped.first_line, one.source));
  return error;
}

ProfileSummary summary_of(const Profile& profile, std::string path) {
  ProfileSummary made;
  made.path = std::move(path);
  made.spec = profile.spec();
  made.spec_id = profile_spec_id(profile.spec());
  made.cells = static_cast<int64_t>(profile.cells().size());
  made.left_out = profile.left_out;
  ProfileCell all;
  struct Hour { int64_t records = 0, errors = 0; QuantileSketch words, latency_ms; };
  std::map<std::pair<int64_t, std::string>, Hour> hours;
  for (const auto& [key, cell] : profile.cells()) {
    if (key.component.empty()) all.merge(cell);
    Hour& hour = hours[{key.hour_ms, key.component}];
    hour.records += cell.counts.records;
    hour.errors += cell.counts.errors;
    hour.words.merge(cell.words);
    hour.latency_ms.merge(cell.latency_ms);
  }
  made.counts = all.counts;
  made.prompts = all.prompts.estimate();
  made.sessions = all.sessions.estimate();
  made.words = frequent_words(all, kShownWords);
  const std::tuple<const char*, const char*, const QuantileSketch*> kNumbers[] = {{"words", "words", &all.words}, {"input tokens", "tokens", &all.input_tokens}, {"output tokens", "tokens", &all.output_tokens}, {"output bytes", "bytes", &all.output_bytes}, {"latency", "ms", &all.latency_ms},
      {"time to first token", "ms", &all.ttft_ms}, {"cost", "USD", &all.cost_usd}};
  for (const auto& [name, unit, sketch] : kNumbers) if (sketch->count() > 0) made.numbers.push_back({name, unit, sketch->count(), sketch->quantile(0.5), sketch->quantile(0.95), sketch->mean()});
  for (const auto& [key, hour] : hours) made.hours.push_back({key.first, key.second, hour.records, hour.errors, hour.words.quantile(0.5), hour.words.quantile(0.95), hour.latency_ms.quantile(0.95)});
  return made;
}

fs::path path_of(const Session& session, const std::string& name) { return session.surroundings().working_directory / name; }

Status check_there(const Session& session, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::error_code ignored;
    if (name != "-" && !fs::exists(path_of(session, name), ignored)) return Error(ErrorCode::kNotFound, fmt::format("file '{}' does not exist", name), "check the path");
  }
  return {};
}

}  // namespace

Result<MonitorProfileReport> monitor_profile(Session& session, const MonitorProfileOptions& options) {
  if (options.stored == !options.sources.empty()) return Error(ErrorCode::kUsage, options.stored ? "--stored takes no source" : "there is no source", "give files of requests, or --stored for those of the store");
  if (!options.stored && (!options.since.empty() || !options.until.empty())) return Error(ErrorCode::kUsage, "--since and --until are of --stored", "leave them out: a profile has its hours apart");
  if (options.output.empty() && !options.dry_run) return Error(ErrorCode::kUsage, "there is no file for the profile", "name it: -o PROFILE");
  LLMOPS_ASSIGN(const Capture capture, parse_capture(session.setting("capture")));
  LLMOPS_ASSIGN(const FieldMap map, parse_field_map(options.map));
  LLMOPS_ASSIGN(ProfileSpec spec, spec_for(session, options));
  LLMOPS_CHECK(check_there(session, options.sources));
  ProfileMaker maker(session, capture, std::move(spec));
  MonitorProfileReport report;
  report.dry_run = options.dry_run;
  if (options.stored) LLMOPS_CHECK(take_stored(session, options, maker));
  for (const std::string& source : options.sources) {
    LLMOPS_ASSIGN(ProfiledSource taken, maker.take(source, map));
    report.sources.push_back(std::move(taken));
  }
  LLMOPS_CHECK(check_some_record(report.sources));
  if (!options.dry_run) LLMOPS_CHECK(write_profile(path_of(session, options.output), maker.profile()));
  report.profile = summary_of(maker.profile(), options.output);
  return report;
}

Result<MonitorProfileReport> monitor_merge(const Session& session, const MonitorMergeOptions& options) {
  if (options.profiles.empty()) return Error(ErrorCode::kUsage, "there is no profile to merge", "name those that `llmops monitor profile` wrote");
  if (options.output.empty() && !options.dry_run) return Error(ErrorCode::kUsage, "there is no file for the profile", "name it: -o PROFILE");
  LLMOPS_CHECK(check_there(session, options.profiles));
  LLMOPS_ASSIGN(Profile all, read_profile(path_of(session, options.profiles[0]), options.profiles[0]));
  for (size_t i = 1; i < options.profiles.size(); ++i) {
    if (session.surroundings().cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    LLMOPS_ASSIGN(const Profile next, read_profile(path_of(session, options.profiles[i]), options.profiles[i]));
    Status merged = all.merge(next);
    if (!merged) return std::move(merged.error()).at({options.profiles[i], 0, 0, 1, {}});
  }
  if (!options.dry_run) LLMOPS_CHECK(write_profile(path_of(session, options.output), all));
  MonitorProfileReport report;
  report.merged = options.profiles;
  report.dry_run = options.dry_run;
  report.profile = summary_of(all, options.output);
  return report;
}

Result<MonitorProfileReport> monitor_profile_show(const Session& session, const std::string& path) {
  LLMOPS_CHECK(check_there(session, {path}));
  LLMOPS_ASSIGN(const Profile profile, read_profile(path_of(session, path), path));
  MonitorProfileReport report;
  report.profile = summary_of(profile, path);
  return report;
}

}  // namespace llmops
