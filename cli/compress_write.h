// What the commands that write weights share on the command line: their options, and how their report is told.
#pragma once

#include "cli/app.h"
#include "commands/compress/rewrite.h"

namespace llmops {

// --no-verify, --force, --saturate, -j.
void add_rewrite_options(CLI::App& app, RewriteOptions& options);
// The report as text or JSON.
Result<Outcome> write_outcome(const Invocation& invocation, const CompressWriteReport& report);
std::string size_text(uint64_t bytes);              // "3.2 MiB"
std::string parameters_text(uint64_t count);        // "6.74 B", "494 M", "12,288"

}  // namespace llmops
