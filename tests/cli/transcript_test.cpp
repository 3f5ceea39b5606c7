// The wiring of the command line, as people see it: every tests/cli/*.transcript, the README and the READMEs of the examples.
#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "cli/app.h"
#include "tests/support/test_data.h"
#include "tests/support/transcript.h"

namespace fs = std::filesystem;
using namespace llmops::test;

namespace {

const fs::path kTests = LLMOPS_TEST_SOURCE_DIR;
const fs::path kRoot = kTests.parent_path();

bool blessing() {
  const char* bless = getenv("LLMOPS_BLESS");
  return bless != nullptr && std::string(bless) == "1";
}

std::vector<std::string> normalized(const std::vector<std::string>& lines, const fs::path& folder) {
  std::vector<std::string> out;
  for (const std::string& line : lines) out.push_back(normalize_transcript_line(line, folder));
  return out;
}

// What a blessed file says: a command whose output differs in times, dates and the like alone keeps the lines that it had.
std::vector<std::string> blessed_output(const std::vector<std::string>& old_lines, const std::vector<std::string>& new_lines, const fs::path& folder) {
  return normalized(old_lines, folder) == normalized(new_lines, folder) ? old_lines : new_lines;
}

// Runs the steps; gives the file's lines as they would be when blessed.
std::vector<std::string> run_and_compare(const Transcript& transcript, const std::vector<fs::path>& start_from) {
  const TempDir folder, home;
  for (const fs::path& from : start_from) fs::copy(from, folder.path(), fs::copy_options::recursive);
  std::vector<std::string> blessed = transcript.preamble;
  for (const TranscriptStep& step : transcript.steps) {
    const auto output = run_transcript_command(step.command, folder.path(), home.path());
    std::vector<std::string> shown = output;
    for (std::string& line : shown) {
      for (const TempDir* own : {&folder, &home}) {
        for (size_t at = line.find(own->path().string()); at != std::string::npos; at = line.find(own->path().string())) line.replace(at, own->path().string().size(), "<dir>");
      }
    }
    const auto kept = blessed_output(step.output, shown, folder.path());
    blessed.push_back("$ " + step.command);
    blessed.insert(blessed.end(), kept.begin(), kept.end());
    if (!blessing()) {
      INFO("$ " << step.command);
      CHECK(normalized(output, folder.path()) == normalized(step.output, folder.path()));
    }
  }
  return blessed;
}

void write_lines(const fs::path& file, const std::vector<std::string>& lines) {
  std::ofstream stream(file, std::ios::binary);
  for (const std::string& line : lines) stream << line << "\n";
}

// The ```console blocks of a Markdown file: [first line, last line) of each.
std::vector<std::pair<size_t, size_t>> console_blocks(const std::vector<std::string>& lines) {
  std::vector<std::pair<size_t, size_t>> blocks;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i] != "```console") continue;
    size_t end = i + 1;
    while (end < lines.size() && lines[end] != "```") ++end;
    blocks.emplace_back(i + 1, end);
    i = end;
  }
  return blocks;
}

// Blocks of one file run one after the other in one folder, so that a page reads as a walk.
void check_markdown(const fs::path& file, const std::vector<fs::path>& start_from) {
  std::vector<std::string> lines = read_lines(file);
  const TempDir folder, home;
  for (const fs::path& from : start_from) fs::copy(from, folder.path(), fs::copy_options::recursive);
  auto blocks = console_blocks(lines);
  std::vector<std::string> blessed;
  size_t copied = 0;
  for (const auto& [begin, end] : blocks) {
    blessed.insert(blessed.end(), lines.begin() + static_cast<std::ptrdiff_t>(copied), lines.begin() + static_cast<std::ptrdiff_t>(begin));
    const Transcript transcript = parse_transcript({lines.begin() + static_cast<std::ptrdiff_t>(begin), lines.begin() + static_cast<std::ptrdiff_t>(end)});
    for (const TranscriptStep& step : transcript.steps) {
      std::string command = step.command;
      // The demonstration sets itself up first; what it then runs is this script.
      if (command == "script/demo") command = "bash " + (kRoot / "script/tour.sh").string();
      const auto output = run_transcript_command(command, folder.path(), home.path());
      const auto kept = blessed_output(step.output, output, folder.path());
      blessed.push_back("$ " + step.command);
      blessed.insert(blessed.end(), kept.begin(), kept.end());
      if (!blessing()) {
        INFO(file.string() << ": $ " << step.command);
        CHECK(normalized(output, folder.path()) == normalized(step.output, folder.path()));
      }
    }
    copied = end;
  }
  blessed.insert(blessed.end(), lines.begin() + static_cast<std::ptrdiff_t>(copied), lines.end());
  if (blessing()) write_lines(file, blessed);
}

}  // namespace

TEST_CASE("the command line prints what its transcripts say", "[transcript]") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kTests / "cli")) if (entry.path().extension() == ".transcript") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  for (const fs::path& file : files) {
    DYNAMIC_SECTION(file.filename().string()) {
      const Transcript transcript = parse_transcript(read_lines(file));
      std::vector<fs::path> start_from;
      for (const std::string& line : transcript.preamble) if (line.starts_with("start from: ")) start_from.push_back(kRoot / line.substr(12));
      const auto blessed = run_and_compare(transcript, start_from);
      if (blessing()) write_lines(file, blessed);
    }
  }
}

TEST_CASE("README's blocks are what the program prints", "[transcript]") { check_markdown(kRoot / "README.md", {}); }

TEST_CASE("the README of every example is what the program prints", "[transcript]") {
  for (const auto& entry : fs::directory_iterator(kRoot / "examples")) {
    if (!fs::exists(entry.path() / "README.md")) continue;
    DYNAMIC_SECTION(entry.path().filename().string()) { check_markdown(entry.path() / "README.md", {entry.path()}); }
  }
}

TEST_CASE("docs/cli.md is the help of every command", "[transcript]") {
  const std::string wanted = llmops::reference_page();
  if (blessing()) std::ofstream(kRoot / "docs/cli.md", std::ios::binary) << wanted;
  std::string found;
  for (const std::string& line : read_lines(kRoot / "docs/cli.md")) found += line + "\n";
  CHECK(found == wanted);
}

TEST_CASE("every command that has a report has a schema, and every command a transcript", "[transcript]") {
  std::string all;
  for (const auto& entry : fs::directory_iterator(kTests / "cli")) {
    if (entry.path().extension() == ".transcript") for (const std::string& line : read_lines(entry.path())) all += line + "\n";
  }
  for (const llmops::Command& command : llmops::commands()) {
    INFO(command.path);
    if (command.schema != nullptr) CHECK(fs::exists(kRoot / "schemas" / (std::string(command.schema) + ".json")));
    CHECK(all.find("llmops " + std::string(command.path)) != std::string::npos);
  }
}
