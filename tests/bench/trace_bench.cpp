// How fast one core reads OTLP/JSON, and how fast records of production go into the store.
// Usage: trace_bench DIRECTORY [MEGABYTES]     default 100; the directory must not exist; it is left behind
// Lines as OpenTelemetry's file exporter writes them: 1 to 50 spans of agents, tools and models, about 2 kB and 15 attributes each, conversations as JSON text.
// Prints megabytes (10^6 bytes) and records per second of the process's CPU time:
//   lines     counting line ends in memory
//   library   nlohmann's parser alone on the same lines, to a document
//   otlp      the file read, decompressed if need be, and made into spans
//   bodies    spans to the bodies and records that are stored
//   sqlite    those into the store, in transactions of 2,048 spans
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/store/store.h"
#include "core/telemetry/request_records.h"
#include "core/telemetry/stored_traces.h"
#include "core/telemetry/trace_lines.h"

namespace {

using llmops::Json;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T must(llmops::Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(2);
}

class Lines {
 public:
  std::string next() {
    Json spans = Json::array();
    int left = 0;
    std::string trace, root;
    for (size_t n = 1 + pick(50); n > 0; --n) {
      if (left-- == 0) {
        trace = digits(32);
        root.clear();
        left = static_cast<int>(pick(6));
      }
      const bool is_root = root.empty() && left > 0, is_tool = !root.empty() && pick(4) == 0;
      Json span = {{"traceId", trace}, {"spanId", digits(16)}};
      if (!root.empty()) span["parentSpanId"] = root;
      if (is_root) root = span["spanId"].get<std::string>();
      span["name"] = is_root ? "invoke_agent support" : is_tool ? "execute_tool lookup_order" : "chat gpt-4o-mini";
      span["kind"] = 3;
      span["startTimeUnixNano"] = std::to_string(now_);
      span["endTimeUnixNano"] = std::to_string(now_ + 20'000'000 + static_cast<int64_t>(pick(2'000'000'000)));
      now_ += 100'000;
      Json attributes = Json::array({text("gen_ai.provider.name", "openai"), text("gen_ai.conversation.id", "conv_" + digits(24))});
      for (const auto& more : is_root ? of_agent() : is_tool ? of_tool() : of_model()) attributes.push_back(more);
      span["attributes"] = std::move(attributes);
      span["status"] = Json::object();
      spans.push_back(std::move(span));
    }
    const Json resource = {{"attributes", Json::array({text("service.name", "support-assistant"), text("service.version", "1.8.2"), text("deployment.environment.name", "production")})}};
    return llmops::dump_json({{"resourceSpans", Json::array({{{"resource", resource}, {"scopeSpans", Json::array({{{"scope", {{"name", "support.assistant"}}}, {"spans", std::move(spans)}}})}}})}});
  }

 private:
  size_t pick(size_t count) { return random_() % count; }
  std::string digits(size_t count) {
    std::string made;
    while (made.size() < count) made += "0123456789abcdef"[pick(16)];
    return made;
  }
  std::string prose(size_t words) {
    static const char* const kWords[] = {"order", "parcel", "refund", "where", "is", "the", "my", "please", "invoice", "shipped", "friday", "address", "change", "cancel", "Größe", "account", "\"quoted\"", "line\nbreak", "returns", "size", "shoes", "warranty", "card", "thanks"};
    std::string made;
    while (words-- > 0) (made += kWords[pick(std::size(kWords))]) += ' ';
    return made;
  }
  static Json text(const char* key, const std::string& value) { return {{"key", key}, {"value", {{"stringValue", value}}}}; }
  static Json number(const char* key, size_t value) { return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}}; }
  std::string messages(size_t count, const char* last_role) {
    Json made = Json::array();
    for (size_t i = 0; i < count; ++i) made.push_back({{"role", (count - i) % 2 == 1 ? last_role : "assistant"}, {"parts", Json::array({{{"type", "text"}, {"content", prose(10 + pick(50))}}})}});
    return llmops::dump_json(made);
  }
  Json of_agent() {
    return Json::array({text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", "support"), text("gen_ai.agent.id", "asst_41"), number("gen_ai.usage.input_tokens", pick(900)), number("gen_ai.usage.output_tokens", pick(90)),
                        text("user.id", "user-" + std::to_string(pick(9000))), text("http.route", "/v1/chat"), text("telemetry.sdk.language", "python")});
  }
  Json of_tool() {
    return Json::array({text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", "lookup_order"), text("gen_ai.tool.type", "function"), text("gen_ai.tool.call.id", "call_" + digits(4)),
                        text("gen_ai.tool.call.arguments", R"({"order_id": "48213"})"), text("gen_ai.tool.call.result", R"({"status": "in_transit", "eta": "2026-03-05", "carrier": "DHL"})")});
  }
  Json of_model() {
    const Json reasons = {{"key", "gen_ai.response.finish_reasons"}, {"value", {{"arrayValue", {{"values", Json::array({{{"stringValue", "stop"}}})}}}}}};
    return Json::array({text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o-mini"), {{"key", "gen_ai.request.temperature"}, {"value", {{"doubleValue", 0.2}}}}, number("gen_ai.request.max_tokens", 300), text("server.address", "api.openai.com"),
                        number("server.port", 443), text("gen_ai.prompt.name", "support-v12"), text("gen_ai.system_instructions", R"([{"type": "text", "content": "You are the support assistant of a web shop. Be brief and never promise a refund."}])"),
                        text("gen_ai.input.messages", messages(1 + 2 * pick(3), "user")), text("gen_ai.output.messages", messages(1, "assistant")), text("gen_ai.response.id", "chatcmpl-" + digits(8)), text("gen_ai.response.model", "gpt-4o-mini-2024-07-18"), reasons,
                        number("gen_ai.usage.input_tokens", pick(900)), number("gen_ai.usage.output_tokens", pick(300))});
  }

  std::mt19937_64 random_{7};
  int64_t now_ = 1'772'532'000'000'000'000;
};

llmops::StoredTrace stored(std::vector<llmops::TraceSpan> spans) {
  llmops::StoredTrace trace;
  for (const llmops::TraceSpan& span : spans) trace.spans.push_back(llmops::to_stored(span));
  trace.trace = trace.spans[0].trace;
  trace.service = trace.spans[0].service;
  trace.start_ms = trace.spans[0].start_ms;
  trace.records = llmops::request_records(llmops::make_trace(trace.trace, std::move(spans)), {});
  return trace;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: trace_bench DIRECTORY [MEGABYTES]\n"), 2;
  size_t megabytes = 100;
  if (argc > 2) std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), megabytes);
  const std::filesystem::path directory = argv[1], path = directory / "traces.jsonl";
  std::filesystem::create_directories(directory);
  {
    std::ofstream file(path, std::ios::binary);
    Lines lines;
    for (size_t written = 0; written < megabytes * 1'000'000;) {
      const std::string line = lines.next() + "\n";
      file << line;
      written += line.size();
    }
  }
  const std::string bytes = must(llmops::read_file(path));
  const auto rate = [&](double start) { return static_cast<double>(bytes.size()) * 1e-6 / std::max(cpu_seconds() - start, 1e-9); };
  double start = cpu_seconds();
  const auto count = std::count(bytes.begin(), bytes.end(), '\n');
  std::printf("lines    %8lld lines    %8.1f MB/s\n", static_cast<long long>(count), rate(start));
  start = cpu_seconds();
  size_t members = 0;
  for (size_t from = 0, end = 0; (end = bytes.find('\n', from)) != std::string::npos; from = end + 1) members += Json::parse(std::string_view(bytes).substr(from, end - from)).size();
  std::printf("library  %8zu members  %8.1f MB/s\n", members, rate(start));

  llmops::StoreOptions options;
  options.directory = directory / "store";
  options.create = true;
  options.clock = &llmops::system_clock_source();
  auto store = must(llmops::Store::open(options));
  auto reader = must(llmops::TraceLineReader::open(path, "traces.jsonl"));
  llmops::TraceLine line;
  std::vector<std::vector<llmops::TraceSpan>> waiting;
  double reading = 0, making = 0, storing = 0;
  size_t spans = 0, records = 0, held = 0;
  const auto timed = [](double& total, auto&& work) {
    const double from = cpu_seconds();
    work();
    total += cpu_seconds() - from;
  };
  const auto put = [&] {
    std::vector<llmops::StoredTrace> traces;
    timed(making, [&] { for (auto& trace : waiting) traces.push_back(stored(std::move(trace))); });
    for (const llmops::StoredTrace& trace : traces) records += trace.records.size();
    timed(storing, [&] { must(store->add_traces(traces, llmops::records_of_bodies)); });
    waiting.clear();
    held = 0;
  };
  for (bool more = true; more;) {
    timed(reading, [&] { more = must(reader.next(line)); });
    if (!more) break;
    for (llmops::TraceSpan& span : line.spans) {
      if (waiting.empty() || waiting.back()[0].trace_id != span.trace_id) waiting.emplace_back();
      waiting.back().push_back(std::move(span));
      ++spans;
      if (++held == 2048) put();
    }
  }
  if (!waiting.empty()) put();
  std::printf("otlp     %8zu spans    %8.1f MB/s\n", spans, static_cast<double>(bytes.size()) * 1e-6 / reading);
  std::printf("bodies   %8zu records  %8.0f records/s\n", records, static_cast<double>(records) / making);
  std::printf("sqlite   %8zu records  %8.0f records/s\n", records, static_cast<double>(records) / storing);
  return 0;
}
