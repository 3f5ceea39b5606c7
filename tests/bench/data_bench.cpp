// How fast near duplicates are found among synthetic prompts, and a file of them is checked; how much memory that takes.
// Usage: data_bench DIRECTORY [ROWS] [all|write|check|near]     the directory must exist; prompts.jsonl and prompts.csv are left behind
// Prompts: 5 to 15 words of a vocabulary whose frequencies fall as 1/rank; one in ten repeats an earlier prompt with one to
// three words replaced and the rest as it was. Seed fixed. The peak is of the whole process: run the parts one by one for theirs.
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "core/base/fs.h"
#include "core/data/dedupe.h"
#include "core/data/scan.h"

namespace {

constexpr size_t kVocabulary = 20'000;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <class T>
T must(llmops::Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(2);
}
void must(const llmops::Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  std::exit(2);
}

class Prompts {
 public:
  Prompts() {
    for (size_t i = 0; i < kVocabulary; ++i) {
      std::string word;
      for (size_t rest = i * 7919 + 26; rest > 0; rest /= 26) word.push_back(static_cast<char>('a' + rest % 26));
      words_.push_back(std::move(word));
    }
  }
  std::string next() {
    std::vector<uint32_t> prompt;
    if (kept_.size() > 1000 && random_() % 10 == 0) {
      prompt = kept_[random_() % kept_.size()];
      for (uint64_t edits = 1 + random_() % 3; edits > 0; --edits) prompt[random_() % prompt.size()] = draw();
    } else {
      for (uint64_t left = 5 + random_() % 11; left > 0; --left) prompt.push_back(draw());
      if (kept_.size() < 100'000) kept_.push_back(prompt);
    }
    std::string text;
    for (const uint32_t word : prompt) (text += text.empty() ? "" : " ") += words_[word];
    return text;
  }

 private:
  // Zipf by inversion: rank = V^u has density 1/rank.
  uint32_t draw() {
    const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
    return static_cast<uint32_t>(std::pow(static_cast<double>(kVocabulary), u)) - 1;
  }
  std::mt19937_64 random_{7};
  std::vector<std::string> words_;
  std::vector<std::vector<uint32_t>> kept_;
};

void write_prompts(const llmops::fs::path& directory, long rows) {
  auto jsonl = must(llmops::AtomicFile::create(directory / "prompts.jsonl"));
  auto csv = must(llmops::AtomicFile::create(directory / "prompts.csv"));
  must(csv.append("id,text,label\n"));
  Prompts prompts;
  std::string json_block, csv_block;
  for (long i = 0; i < rows; ++i) {
    const std::string text = prompts.next();
    json_block += "{\"id\": \"" + std::to_string(i) + "\", \"prompt\": \"" + text + "\", \"label\": \"" + std::to_string(i % 7) + "\"}\n";
    csv_block += std::to_string(i) + ",\"" + text + "\"," + std::to_string(i % 7) + "\n";
    if (json_block.size() < (1 << 20) && i + 1 < rows) continue;
    must(jsonl.append(json_block));
    must(csv.append(csv_block));
    json_block.clear();
    csv_block.clear();
  }
  must(jsonl.commit());
  must(csv.commit());
}

struct Timer { double wall = seconds_now(), cpu = cpu_seconds(); };

void print_line(const char* what, const Timer& from, int64_t rows, uint64_t bytes) {
  const double seconds = seconds_now() - from.wall;
  std::printf("%-22s %7.2f s (cpu %7.2f s) %10.0f rows/s %8.1f MB/s   peak %7.1f MB\n", what, seconds, cpu_seconds() - from.cpu, static_cast<double>(rows) / seconds,
              static_cast<double>(bytes) / 1e6 / seconds, peak_mb());
}

void time_check(const llmops::fs::path& file, const char* what, bool with_statistics) {
  llmops::ScanOptions options;
  options.with_lengths = with_statistics;
  if (with_statistics) options.label_column = "label";
  const Timer from;
  const auto report = must(llmops::scan_dataset(file, file.filename().string(), options));
  print_line(what, from, report.statistics.rows, report.statistics.bytes);
}

void time_near(const llmops::fs::path& file) {
  llmops::DedupeOptions options;
  options.method = llmops::DedupeMethod::kNear;
  const Timer from;
  const auto report = must(llmops::find_duplicates({file, file.filename().string(), {}}, options));
  print_line("near duplicates", from, static_cast<int64_t>(report.rows), llmops::fs::file_size(file));
  std::printf("  dropped %zu of %zu rows; %d bands of %d; recall at the threshold %.3f; compared %llu; cut buckets %llu\n", report.dropped, report.rows,
              report.search.banding.bands, report.search.banding.rows, report.search.recall_at_threshold, static_cast<unsigned long long>(report.search.compared),
              static_cast<unsigned long long>(report.search.cut_buckets));
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 2) {
    std::fputs("usage: data_bench DIRECTORY [ROWS] [all|write|check|near]\n", stderr);
    return 2;
  }
  long rows = 1'000'000;
  if (argument_count > 2) {
    const std::string text = arguments[2];
    std::from_chars(text.data(), text.data() + text.size(), rows);
  }
  const std::string part = argument_count > 3 ? arguments[3] : "all";
  const llmops::fs::path directory = arguments[1];
  if (part == "all" || part == "write") write_prompts(directory, rows);
  if (part == "all" || part == "check") {
    time_check(directory / "prompts.jsonl", "check jsonl", false);
    time_check(directory / "prompts.csv", "check csv", false);
    time_check(directory / "prompts.jsonl", "check and stats jsonl", true);
  }
  if (part == "all" || part == "near") time_near(directory / "prompts.jsonl");
  return 0;
}
