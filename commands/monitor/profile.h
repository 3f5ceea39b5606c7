// `llmops monitor profile` and `llmops monitor merge`: what is known of production without its texts, in files that add up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/monitor/ingest.h"
#include "commands/session.h"
#include "core/drift/profile.h"

namespace llmops {

struct MonitorProfileOptions {
  std::vector<std::string> sources;          // paths; "-": standard input
  std::vector<std::string> map;              // "input=/request/text": every line is a record
  bool stored = false;                       // records of the store instead
  std::string since, until;                  // of the store: length of the window and its end; empty: all
  std::vector<std::string> strata;           // fields of records (stratum_fields())
  bool components = false;                   // calls of components beside whole requests
  size_t features = 256;
  std::optional<uint64_t> seed;
  std::string output;                        // path
  bool dry_run = false;
};

struct ProfiledSource {
  std::string source;
  int64_t lines = 0, records = 0;
  int64_t repaired = 0;
  std::map<std::string, DroppedSpans> dropped;
};

// An hour of a component, over its strata.
struct ProfileHour {
  int64_t hour_ms = 0;
  std::string component;
  int64_t records = 0, errors = 0;
  std::optional<double> words_p50, words_p95, latency_p95_ms;
};

struct ProfileNumbers { std::string name, unit; int64_t count = 0; std::optional<double> p50, p95, mean; };

// A profile for a person.
struct ProfileSummary {
  std::string path;                          // as it was given
  ProfileSpec spec;
  std::string spec_id;
  int64_t cells = 0;
  ProfileCounts counts;                      // of whole requests
  double prompts = 0, sessions = 0;          // how many different ones, about (of whole requests)
  std::vector<ProfileNumbers> numbers;       // of whole requests; what no record tells is left out
  std::vector<std::pair<std::string, int64_t>> words;
  std::vector<ProfileHour> hours;
  ProfileLeftOut left_out;
};

struct MonitorProfileReport {
  std::vector<ProfiledSource> sources;       // empty: of the store, or shown
  std::vector<std::string> merged;           // profiles that were added
  ProfileSummary profile;
  bool dry_run = false;
};

// Reads what `monitor ingest` reads, a line at a time, into no store; memory does not grow with the number of lines. Each line stands for itself, so that lines may be divided in any way: records, lines of OpenAI logs and whole traces of
// deepeval. Of texts the first 32 KiB count, as of stored records. Errors: kUsage: sources and --stored at once, or neither; a stratum that is none; features that are no multiple of 8. kNotFound, kIo, damaged compression. kData: spans, whose
// traces can go over several lines; the log of an evaluation; lines of which none is a record. kInterrupted: nothing is written.
Result<MonitorProfileReport> monitor_profile(Session& session, const MonitorProfileOptions& options);

struct MonitorMergeOptions { std::vector<std::string> profiles; std::string output; bool dry_run = false; };
// Errors: those of read_profile() and Profile::merge(); nothing is written then.
Result<MonitorProfileReport> monitor_merge(const Session& session, const MonitorMergeOptions& options);

Result<MonitorProfileReport> monitor_profile_show(const Session& session, const std::string& path);

}  // namespace llmops
