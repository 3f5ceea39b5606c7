// llmops_loopback: an OpenAI-compatible server on 127.0.0.1 for transcripts and benchmarks. Prints "port N" and serves
// until its stdin closes.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "tests/support/loopback_server.h"

namespace {

constexpr const char* kUsage =
    "usage: llmops_loopback [--mode chat|no-usage|cut|error|tools] [--delay-ms N] [--piece-delay-ms N] [--reply TEXT]\n"
    "                       [--fail-every N] [--fail-status N] [--retry-after N]\n"
    "chat (streamed when the request asks for it) and embeddings; without --reply the last user message comes back\n";

bool read_number(std::string_view text, int& out) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  return problem == std::errc() && end == text.data() + text.size() && out >= 0;
}

bool read_mode(std::string_view mode, llmops::test::OpenAiBehaviour& out) {
  out.has_usage = mode != "no-usage";
  out.cuts_streams = mode == "cut";
  out.breaks_streams = mode == "error";
  out.calls_tools = mode == "tools";
  return mode == "chat" || mode == "stream" || !out.has_usage || out.cuts_streams || out.breaks_streams || out.calls_tools;
}

bool read_option(std::string_view name, std::string_view value, llmops::test::OpenAiBehaviour& out) {
  if (name == "--mode") return read_mode(value, out);
  if (name == "--delay-ms") return read_number(value, out.delay_ms);
  if (name == "--piece-delay-ms") return read_number(value, out.piece_delay_ms);
  if (name == "--fail-every") return read_number(value, out.fail_every);
  if (name == "--fail-status") return read_number(value, out.fail_status);
  if (name == "--retry-after") return read_number(value, out.retry_after_s);
  if (name != "--reply") return false;
  out.reply = value;
  return true;
}

}  // namespace

int main(int argument_count, char** arguments) {
  llmops::test::OpenAiBehaviour behaviour;
  for (int i = 1; i < argument_count; i += 2) {
    if (i + 1 < argument_count && read_option(arguments[i], arguments[i + 1], behaviour)) continue;
    std::fputs(kUsage, stderr);
    return 2;
  }
  const llmops::test::LoopbackServer server(llmops::test::openai_handler(behaviour));
  if (server.port() == 0) {
    std::fputs("llmops_loopback: cannot listen on 127.0.0.1\n", stderr);
    return 2;
  }
  std::fputs(fmt::format("port {}\n", server.port()).c_str(), stdout);
  std::fflush(stdout);
  char buffer[256];
  while (read(STDIN_FILENO, buffer, sizeof buffer) > 0) {
  }
  return 0;
}
