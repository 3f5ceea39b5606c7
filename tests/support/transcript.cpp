#include "tests/support/transcript.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <regex>

namespace llmops::test {

std::vector<std::string> read_lines(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Transcript parse_transcript(const std::vector<std::string>& lines) {
  Transcript transcript;
  for (const std::string& line : lines) {
    // The demonstration prints its own commands: all that follows is its output.
    const bool in_demo = !transcript.steps.empty() && transcript.steps.back().command == "script/demo";
    if (line.starts_with("$ ") && !in_demo) {
      transcript.steps.push_back({line.substr(2), {}});
    } else if (transcript.steps.empty()) {
      transcript.preamble.push_back(line);
    } else {
      transcript.steps.back().output.push_back(line);
    }
  }
  for (TranscriptStep& step : transcript.steps) while (!step.output.empty() && step.output.back().empty()) step.output.pop_back();
  return transcript;
}

namespace {

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

std::vector<std::string> run_transcript_command(const std::string& command, const std::filesystem::path& folder, const std::filesystem::path& home) {
  const std::string bin = std::filesystem::path(LLMOPS_BINARY).parent_path().string();
  const std::string line = "cd " + quoted(folder.string()) + " && env -i PATH=" + quoted(bin + ":" + bin + "/tests:/usr/bin:/bin") + " HOME=" + quoted(home.string()) +
                           " LC_ALL=C.UTF-8 COLUMNS=100 LLMOPS_OFFLINE=1 LLMOPS_AUTHOR_NAME='Ada Example' LLMOPS_AUTHOR_EMAIL=ada@example.org TMPDIR=" + quoted(home.string()) +
                           " bash -c " + quoted(command) + " 2>&1 < /dev/null";
  FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[65536];
  while (const size_t got = fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  const int status = pclose(pipe);
  std::vector<std::string> output;
  for (size_t from = 0; from < text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    output.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  while (!output.empty() && output.back().empty()) output.pop_back();
  const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (exit_code != 0) output.push_back("[exit " + std::to_string(exit_code) + "]");
  return output;
}

std::string normalize_transcript_line(std::string line, const std::filesystem::path& folder) {
  static const std::regex kTime(R"((\+|-|\b)\d+(\.\d+)? (ms|s|min)\b)");
  static const std::regex kWhen(R"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z)");
  static const std::regex kUuid(R"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})");
  static const std::regex kJsonTime(R"re(("(latency_ms|ttft_ms|wall_s|start_ms)": )[0-9.e+-]+)re");
  static const std::regex kOid(R"re(("commit": ")[0-9a-f]{40})re");
  static const std::regex kBlanks(" {2,}");
  // Any folder of a test, the transcript's own or its HOME, counts as one.
  static const std::regex kFolder(R"(/[^ :'"]*/llmops-test-[A-Za-z0-9]{6})");
  line = std::regex_replace(line, kFolder, "<dir>");
  for (size_t at = line.find(folder.string()); at != std::string::npos; at = line.find(folder.string())) line.replace(at, folder.string().size(), "<dir>");
  line = std::regex_replace(line, kWhen, "<when>");
  line = std::regex_replace(line, kUuid, "<uuid>");
  line = std::regex_replace(line, kOid, "$1<oid>");
  line = std::regex_replace(line, kJsonTime, "$1<time>");
  line = std::regex_replace(line, kTime, "<time>");
  // A time of 0.00 ms and one of 12 ms have intervals or not at random sizes; only that they are times is compared.
  line = std::regex_replace(line, kBlanks, "  ");
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace llmops::test
