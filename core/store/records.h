// The rows of the store, as plain data. JSON travels as text: the store does not look inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmops {

// ---- versions ----
struct SnapshotFile {
  std::string path;      // relative, '/'-separated: the manifest's path
  std::string role;      // "text" or "data"
  std::string sha256;    // of the bytes as the manifest counts them (text: without BOM, LF)
  uint64_t size_bytes = 0;
  std::string bytes;     // the original bytes when small; empty when `source` is set
  std::string source;    // absolute path to stream from (large or binary files)
};

struct VersionInput {
  std::string chain;     // chain name
  std::string vid;       // 64 hex
  std::string manifest;  // canonical JSON
  std::vector<SnapshotFile> files;
  std::string message;
  std::string author;    // "Name <mail>"
  bool automatic = false;  // made by a run: refs/llmops/<chain>/auto/<vid>, not part of the history of heads
};

struct VersionRecord {
  std::string vid, chain, commit_oid, parent_vid, message, author;
  int64_t created_ms = 0;
  bool automatic = false;
};

struct LabelRecord { std::string chain, name, vid, reason, author; int64_t moved_ms = 0; };

// ---- made files ----
struct MadeFile { std::string sha256, name; int64_t made_ms = 0; std::string report; };   // report: JSON

// ---- runs ----
enum class RunState { kRunning, kFinished, kStopped };  // stopped: by a budget, a limit or Ctrl-C; both of the others may be resumed

struct RunRecord {
  int64_t number = 0;          // short local number, from 1
  std::string uuid;            // UUIDv7
  std::string chain, vid, suite, suite_id;
  RunState state = RunState::kRunning;
  std::string stop_reason;     // "budget_usd", "budget_tokens", "time_limit", "interrupted"; empty otherwise
  int64_t started_ms = 0;
  std::optional<int64_t> finished_ms;
  std::string settings;        // JSON: what is needed to resume (suite path, overrides, repeat, filter, seed ...)
  std::string summary;         // JSON: the report's document once finished, else empty
  int64_t case_count = 0;      // rows of the dataset x repeats that the run is to do; 0 until known
};

enum class SpanCache { kNone, kMiss, kStep, kResponse };  // kNone: not cacheable; kStep: from the step memo; kResponse: from the response cache

struct SpanRecord {
  int sequence = 0;            // within the case, in order of start; stable across runs of the same inputs
  int parent = -1;             // sequence of the parent; -1: the case
  std::string step;            // id of the step; of external spans: "STEP/NAME"
  std::string kind;            // "model", "retrieve", "extract", "template", "exec", "external"
  std::string name;            // shown: model, "4 of 212 documents"
  int item = -1;               // index within for_each; -1: none
  std::string input;           // JSON: the values the step read
  std::string prompt;          // JSON: rendered messages of a model step; empty otherwise
  std::string output;          // JSON; empty: none (error, skipped)
  std::string model_asked, model_served;
  std::optional<int64_t> input_tokens, output_tokens;
  std::optional<double> cost_usd;
  int64_t start_ms = 0;        // unix
  double latency_ms = 0;
  std::optional<double> ttft_ms;
  int retries = 0;
  bool skipped = false;
  std::string error_code, error_message;  // empty: no error
  SpanCache cache = SpanCache::kNone;
  std::string memo_key;        // 16 raw bytes, or empty: not reusable
  std::string attributes;      // JSON object: what else the provider said, and the parts of the cache key; may be empty
};

struct ScoreRecord {
  std::string metric;
  std::optional<double> value; // absent: no score (skipped or error)
  std::optional<bool> pass;
  std::string error;           // why there is no score; empty when the target was skipped
  std::string detail;          // JSON, for people; may be empty
};

struct CaseRecord {
  int64_t ordinal = 0;         // from 0: row of the dataset (after filters)
  int repeat = 0;
  std::string case_id;
  std::string case_hash;       // 16 hex of the row's canonical form: pairing never joins different rows of one id
  std::string row;             // JSON: the dataset row
  std::string output;          // JSON; empty: none
  std::string error_code, error_message;  // the first step's error; empty: none
  std::string error_step;
  double latency_ms = 0;       // the case from first step to output (original latencies where steps were reused)
  std::optional<double> cost_usd;
  std::optional<int64_t> input_tokens, output_tokens;
  std::optional<bool> pass;
  std::vector<SpanRecord> spans;
  std::vector<ScoreRecord> scores;
};

struct CachedResponse {
  std::string key;             // 32 raw bytes
  std::string parts;           // JSON: digest per part of the key (provider, base_url, model, messages, params, tools, repeat)
  std::string reply;           // JSON
  int64_t created_ms = 0;
};

// ---- production ----
struct StoredSpan {
  std::string trace, span;     // identifiers of the application that recorded them
  std::string service;         // empty: not told
  int64_t start_ms = 0;        // unix
  std::string body;            // JSON
};

// A request of production, or what one component did for it.
struct StoredRecord {
  std::string trace;                   // of the application; filled when it is read
  std::string span;                    // its own identifier within the trace
  std::string component;               // empty: the request as a whole
  std::optional<int64_t> start_ms;     // unix
  std::optional<double> latency_ms, ttft_ms;
  std::optional<std::string> session, user, service, route, language, prompt, vid, model_asked, model_served;
  std::optional<std::string> input, output;             // at most 32 KiB of each
  std::optional<int64_t> input_bytes, output_bytes;     // of the whole
  std::optional<std::string> finish, error;
  bool is_empty = false, is_refusal = false, is_cut_off = false, is_malformed_json = false;   // signs of its answer
  std::optional<int64_t> input_tokens, output_tokens;
  std::optional<double> cost_usd;
  std::optional<std::string> tools, scores;             // JSON: a list of names; an object
};

// Spans of one trace that came together, and its records as far as these spans tell.
struct StoredTrace {
  std::string trace, service;
  int64_t start_ms = 0;                // unix, of the earliest of these spans
  std::vector<StoredSpan> spans;
  std::vector<StoredRecord> records;
};

// What was judged of a request after it was served.
struct StoredScore { std::string trace, span, name, value; };   // span empty: of the whole trace; value: JSON

// What is stored of production, counted.
struct ProductionTotals {
  int64_t traces = 0, spans = 0, records = 0, scores = 0, profiles = 0, looks = 0;
  int64_t without_time = 0, without_records = 0;                // traces
  std::optional<int64_t> first_ms, last_ms;                     // unix, starts of the traces that tell one
  std::vector<std::pair<std::string, int64_t>> services;        // traces by their service (empty: not told), in order of names
  std::vector<std::pair<std::string, int64_t>> components;      // records by component, in order of names, without whole requests
  int64_t requests = 0;                                         // records of whole requests
  std::vector<std::pair<std::string, int64_t>> told;            // of these, how many tell an input, an output, ...
  uint64_t database_bytes = 0, log_bytes = 0;                   // of the whole store: evaluations too
};

// An hour of a component and a stratum, without its texts.
struct StoredProfile { std::string spec, component; int64_t period_ms = 0; std::string stratum; int64_t records = 0; std::string body; };   // stratum: JSON object; body: bytes

// What a monitor saw in one period.
struct StoredLook { std::string monitor; int64_t period_ms = 0, looked_ms = 0; std::string body; };   // body: JSON

}  // namespace llmops
