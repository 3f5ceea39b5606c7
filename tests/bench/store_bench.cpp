// How fast a run is written and read back, and how much memory it takes.
// Usage: store_bench DIRECTORY [CASES]     the directory must not exist; it is left behind
// Prints wall time, the process's CPU time, resident memory at the start and its peak.
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <string>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/store/content_digest.h"
#include "core/store/store.h"

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

llmops::CaseRecord make_case(int64_t i, const std::string& body) {
  llmops::CaseRecord record;
  record.ordinal = i;
  record.case_id = "case-" + std::to_string(i);
  record.case_hash = llmops::sha256_hex(record.case_id).substr(0, 16);
  record.row = "{\"question\":\"" + std::to_string(i) + "\"}";
  record.output = "\"answer\"";
  record.latency_ms = 12.5;
  record.pass = true;
  llmops::SpanRecord span;
  span.step = "answer";
  span.kind = "model";
  span.name = "gpt-4o-mini";
  span.model_asked = span.model_served = "gpt-4o-mini";
  span.input = body;
  span.output = body;
  span.input_tokens = 200;
  span.output_tokens = 100;
  span.cost_usd = 0.001;
  span.latency_ms = 12;
  span.start_ms = 1'700'000'000'000 + i;
  const auto key = llmops::sha256("key" + std::to_string(i));
  span.memo_key.assign(reinterpret_cast<const char*>(key.data()), 16);
  record.spans.push_back(std::move(span));
  llmops::ScoreRecord score;
  score.metric = "correct";
  score.value = 1.0;
  score.pass = true;
  record.scores.push_back(std::move(score));
  return record;
}

template <class T>
T must(llmops::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(2);
  }
  return std::move(result).value();
}
void must(const llmops::Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: store_bench DIRECTORY [CASES]\n"), 2;
  int64_t cases = 100'000;
  if (argc > 2) {
    const std::string text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), cases);
  }
  llmops::Clock& clock = llmops::system_clock_source();
  llmops::StoreOptions options;
  options.directory = argv[1];
  options.create = true;
  options.clock = &clock;
  auto store = must(llmops::Store::open(options));
  llmops::VersionInput version;
  version.chain = "bench";
  version.manifest = "{\"files\":[]}";
  version.vid = llmops::vid_of_text(version.manifest);
  version.author = "bench <bench@localhost>";
  must(store->commit_version(version));
  llmops::RunRecord run;
  run.chain = "bench";
  run.vid = version.vid;
  run = must(store->begin_run(run));

  const std::string body(1024, 'x');
  const long start_kib = peak_kib();
  double cpu = cpu_seconds();
  int64_t wall = clock.steady_ns();
  auto writer = must(store->run_writer(run.number));
  for (int64_t i = 0; i < cases; ++i) must(writer->add(make_case(i, body)));
  must(writer->finish(llmops::RunState::kFinished, "", "{}"));
  std::printf("write: %lld cases, wall %.2f s, cpu %.2f s, memory %ld -> %ld KiB\n", static_cast<long long>(cases), static_cast<double>(clock.steady_ns() - wall) * 1e-9,
              cpu_seconds() - cpu, start_kib, peak_kib());

  cpu = cpu_seconds();
  wall = clock.steady_ns();
  int64_t seen = 0;
  llmops::Store::CaseFilter filter;
  filter.with_spans = true;
  must(store->visit_cases(run.number, filter, [&seen](const llmops::CaseRecord& record) { return seen += static_cast<int64_t>(record.spans.size()), true; }));
  std::printf("read: %lld spans, wall %.2f s, cpu %.2f s, memory %ld KiB\n", static_cast<long long>(seen), static_cast<double>(clock.steady_ns() - wall) * 1e-9, cpu_seconds() - cpu, peak_kib());

  wall = clock.steady_ns();
  for (int64_t i = 0; i < 1000; ++i) {
    const auto key = llmops::sha256("key" + std::to_string(i * cases / 1000));
    if (must(store->find_step({reinterpret_cast<const char*>(key.data()), 16})).size() != 1) return std::fprintf(stderr, "a step is missing\n"), 1;
  }
  std::printf("find_step: %.1f us\n", static_cast<double>(clock.steady_ns() - wall) * 1e-6);
  return 0;
}
