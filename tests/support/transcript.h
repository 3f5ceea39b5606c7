// Transcripts: commands with what they print, kept as text and run by tests.
//   $ llmops eval run            a command, run by bash in the transcript's own folder
//   expected output              standard output and standard error as they come
//   [exit 1]                     when the exit code is not 0
// Lines before the first '$' are for the reader. What differs from run to run is compared by kind: times as <time>, dates
// as <when>, UUIDs as <uuid>, the folder as <dir>; runs of blanks count as one.
// LLMOPS_BLESS=1 writes what came out into the file instead of comparing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace llmops::test {

struct TranscriptStep {
  std::string command;
  std::vector<std::string> output;   // with "[exit N]" as the last line when it is not 0
};

struct Transcript {
  std::vector<std::string> preamble;
  std::vector<TranscriptStep> steps;
};

Transcript parse_transcript(const std::vector<std::string>& lines);
// Runs the commands in `folder` with a private HOME; the program under test is first on PATH. 100 columns, UTF-8, offline.
std::vector<std::string> run_transcript_command(const std::string& command, const std::filesystem::path& folder, const std::filesystem::path& home);
std::string normalize_transcript_line(std::string line, const std::filesystem::path& folder);
std::vector<std::string> read_lines(const std::filesystem::path& file);

}  // namespace llmops::test
