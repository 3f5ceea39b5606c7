// What the commands that write weights share on the command line: their options, and how their report is told.
#pragma once

#include "cli/app.h"
#include "commands/compress/rewrite.h"

namespace CLI { class Option; }

namespace llmops {

// --no-verify, --force, --saturate, -j.
void add_rewrite_options(CLI::App& app, RewriteOptions& options);
// An empty name is a mistake in the caller's script, not the wish for none. Errors of the option: usage.
CLI::Option* never_empty(CLI::Option* option);
// The report as text or JSON.
Result<Outcome> write_outcome(const Invocation& invocation, const CompressWriteReport& report);
std::string size_text(uint64_t bytes);              // "3.2 MiB"
std::string parameters_text(uint64_t count);        // "6.74 B", "494 M", "12,288"
std::string figure_text(double value);              // "0.0661", "0"
std::string figure_text(const std::optional<double>& value);   // "-": there is none
// By relative_rms: none is worse than any, as something was made of nothing.
bool is_worse(const TensorError& a, const TensorError& b);
// "0.0661 of WHOSE", or that there is nothing to hold the error against.
std::string relative_text(const TensorError& error, const char* whose);

}  // namespace llmops
