#include "core/telemetry/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "core/base/hash.h"
#include "core/telemetry/trace_lines.h"

namespace llmops {
namespace {

// Two traces of n share a key with probability n^2 / 2^65: about 1e-7 for a million.
uint64_t key_of(const std::string& trace_id) {
  Sha256 hash;
  hash.update(trace_id);
  const Sha256Digest digest = hash.finish();
  uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

// A line of which nothing is lost.
Result<bool> next_line(TraceLineReader& lines, const std::string& name, TraceLine& line) {
  LLMOPS_ASSIGN(const bool more, lines.next(line));
  if (!more || line.dropped.empty()) return more;
  return Error(ErrorCode::kData, fmt::format("line {} holds what is no trace: {}", lines.number(), line.dropped[0]), "correct it, or let `llmops monitor ingest` leave out what cannot be read")
      .at({name, lines.number(), 1, 1, {}});
}

class TraceFileReader : public TraceReader {
 public:
  TraceFileReader(TraceLineReader lines, std::unordered_map<uint64_t, int> last_lines, std::string name) : lines_(std::move(lines)), last_lines_(std::move(last_lines)), name_(std::move(name)) {}

  Result<bool> next(Trace& trace) override {
    while (whole_.empty()) {
      TraceLine line;
      LLMOPS_ASSIGN(const bool more, next_line(lines_, name_, line));
      if (!more) return begun_.empty() ? Result<bool>(false) : changed();
      std::vector<uint64_t> met;
      for (TraceSpan& span : line.spans) {
        const uint64_t key = key_of(span.trace_id);
        auto& spans = begun_[key];
        if (spans.empty() || std::find(met.begin(), met.end(), key) == met.end()) met.push_back(key);
        spans.push_back(std::move(span));
      }
      for (const uint64_t key : met) {
        const auto last = last_lines_.find(key);
        if (last == last_lines_.end() || last->second < lines_.number()) return changed();
        if (last->second > lines_.number()) continue;
        auto spans = begun_.extract(key);
        std::string id = spans.mapped()[0].trace_id;
        whole_.push_back(make_trace(std::move(id), std::move(spans.mapped())));
      }
    }
    trace = std::move(whole_.front());
    whole_.pop_front();
    return true;
  }

 private:
  Error changed() const { return Error(ErrorCode::kData, fmt::format("'{}' changed while it was read", name_), "run the command again"); }
  TraceLineReader lines_;
  std::unordered_map<uint64_t, int> last_lines_;
  std::unordered_map<uint64_t, std::vector<TraceSpan>> begun_;
  std::deque<Trace> whole_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<TraceReader>> TraceFile::open() const {
  std::unordered_map<uint64_t, int> last_lines;
  {
    LLMOPS_ASSIGN(TraceLineReader lines, TraceLineReader::open(path_, name_));
    TraceLine line;
    while (true) {
      LLMOPS_ASSIGN(const bool more, next_line(lines, name_, line));
      if (!more) break;
      for (const TraceSpan& span : line.spans) last_lines[key_of(span.trace_id)] = lines.number();
    }
  }
  LLMOPS_ASSIGN(TraceLineReader lines, TraceLineReader::open(path_, name_));
  return std::unique_ptr<TraceReader>(std::make_unique<TraceFileReader>(std::move(lines), std::move(last_lines), name_));
}

}  // namespace llmops
