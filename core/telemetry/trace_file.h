// Traces out of a file of lines (trace_lines.h), also gzip and zstd. A trace's spans may be anywhere in the file.
#pragma once

#include <filesystem>

#include "core/telemetry/trace.h"

namespace llmops {

// Each reading goes once through the file to learn the last line of every trace, then gives each trace as soon as it is
// whole. Memory: some 40 bytes for each trace, and the spans of those that are begun and not whole. Errors: kNotFound, kIo, damaged
// compression; kData at the first line of which something cannot be read, and when the file changes meanwhile.
class TraceFile : public TraceSource {
 public:
  TraceFile(std::filesystem::path path, std::string shown_name) : path_(std::move(path)), name_(std::move(shown_name)) {}
  Result<std::unique_ptr<TraceReader>> open() const override;

 private:
  std::filesystem::path path_;
  std::string name_;
};

}  // namespace llmops
