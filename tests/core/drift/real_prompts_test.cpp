// Level and power on real prompts: the table of docs/drift_power.md. Minutes of work: with LLMOPS_SLOW=1 alone (script/test-slow), and the data.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/json.h"
#include "core/drift/detectors.h"
#include "core/drift/fuse.h"
#include "core/drift/latent.h"
#include "core/drift/primary.h"
#include "core/drift/vocabulary.h"
#include "core/format/dataset_rows.h"
#include "core/stats/random.h"
#include "core/text/ngram_vectors.h"
#include "tests/core/drift/drift_fixture.h"
#include "tests/support/test_data.h"

namespace llmops::test {

namespace {

struct Prompt { std::string text, intent; };

std::vector<Prompt> banking(const std::filesystem::path& root) {
  auto reader = open_dataset(root / "drift/banking77/train.csv", "train.csv");
  REQUIRE(reader);
  std::vector<Prompt> prompts;
  DatasetRow row;
  while (*(*reader)->next(row)) prompts.push_back({row.value.at("text").get<std::string>(), row.value.at("category").get<std::string>()});
  return prompts;
}

Json json_file(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  std::string bytes;
  char part[65536];
  for (size_t read = 0; (read = std::fread(part, 1, sizeof part, file)) > 0;) bytes.append(part, read);
  std::fclose(file);
  return Json::parse(bytes);
}

struct Prompts { std::vector<Prompt> bank; std::vector<std::string> intents, foreign, out_of_scope; };

Prompts load(const std::filesystem::path& root) {
  Prompts made{banking(root), {}, {}, {}};
  std::set<std::string> intents;
  for (const Prompt& one : made.bank) intents.insert(one.intent);
  made.intents.assign(intents.begin(), intents.end());
  const Json rows = json_file(root / "drift/clinc150/data_full.json"), domains = json_file(root / "drift/clinc150/domains.json");
  std::set<std::string> near;
  for (const char* domain : {"banking", "credit_cards"}) for (const Json& intent : domains.at(domain)) near.insert(intent.get<std::string>());
  for (const Json& row : rows.at("train")) if (!near.contains(row[1].get<std::string>())) made.foreign.push_back(row[0].get<std::string>());
  for (const char* part : {"oos_train", "oos_val", "oos_test"}) for (const Json& row : rows.at(part)) made.out_of_scope.push_back(row[0].get<std::string>());
  return made;
}

enum class Source { kNone, kForeign, kOutOfScope, kUnseen };
struct Scenario { const char* name; Source source; double share; };

// n prompts of the bank, then n of which `share` come from elsewhere; drawn without replacement.
std::vector<Prompt> draw(const Prompts& all, const Scenario& scenario, size_t n, uint64_t seed) {
  RandomSource random(seed);
  std::set<std::string> unseen;
  while (scenario.source == Source::kUnseen && unseen.size() < 5) unseen.insert(all.intents[random.below(all.intents.size())]);
  std::vector<Prompt> base, novel;
  for (const Prompt& one : all.bank) (unseen.contains(one.intent) ? novel : base).push_back(one);
  const auto* elsewhere = scenario.source == Source::kForeign ? &all.foreign : scenario.source == Source::kOutOfScope ? &all.out_of_scope : nullptr;
  if (elsewhere != nullptr) for (const std::string& text : *elsewhere) novel.push_back({text, "elsewhere"});
  const auto shuffle = [&](std::vector<Prompt>& prompts, size_t count) { for (size_t i = 0; i < std::min(count, prompts.size()); ++i) std::swap(prompts[i], prompts[i + random.below(prompts.size() - i)]); };
  shuffle(base, 2 * n);
  base.resize(2 * n);
  const auto planted = scenario.source == Source::kNone ? 0 : static_cast<size_t>(std::lround(scenario.share * static_cast<double>(n)));
  shuffle(novel, planted);
  for (size_t i = 0; i < planted; ++i) base[n + i] = novel[i];
  return base;
}

SparseRows weighted_rows(std::span<const std::string_view> texts) {
  NgramOptions grams;
  grams.characters = true;
  SparseRows rows = ngram_counts(texts, grams);
  weigh(rows, inverse_document_frequencies(rows));
  return rows;
}

// How often each test rejects at 0.05.
class Rejections {
 public:
  void count(const std::string& name, double p) {
    const std::lock_guard lock(mutex_);
    rejected_[name] += p <= 0.05;
  }
  std::map<std::string, int> take() { return std::move(rejected_); }

 private:
  std::mutex mutex_;
  std::map<std::string, int> rejected_;
};

template <class Work>
void repeat(int runs, const Work& work) {
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1U, std::thread::hardware_concurrency()); ++t) threads.emplace_back([&] { for (int run = 0; (run = next++) < runs;) work(run); });
  for (std::thread& thread : threads) thread.join();
}

Sample texts_of(const std::vector<Prompt>& prompts, size_t first, size_t count) {
  Sample sample;
  for (size_t i = first; i < first + count; ++i) {
    sample.texts.push_back(prompts[i].text);
    sample.contexts.push_back(prompts[i].intent.substr(0, 1));
  }
  return sample;
}

Sample as_kind(SampleKind kind, const Sample& texts, const VectorsView& dense, size_t first, const std::vector<Prompt>& prompts) {
  Sample made = texts;
  made.kind = kind;
  const size_t n = texts.texts.size();
  if (kind == SampleKind::kVectors) {
    const VectorsView part = dense.part(first, n);
    made.vectors = {std::vector<float>(part.values.begin(), part.values.end()), n, dense.dimensions};
  }
  if (kind == SampleKind::kNumbers) for (const std::string& text : texts.texts) made.numbers.push_back(static_cast<double>(std::count(text.begin(), text.end(), ' ') + 1));
  if (kind == SampleKind::kCategories) for (size_t i = 0; i < n; ++i) made.texts[i] = prompts[first + i].intent;
  return made;
}

}  // namespace

TEST_CASE("on real prompts that do not differ, no test of the table alarms more often than it says", "[prompts]") {
  const auto root = data_root();
  if (getenv("LLMOPS_SLOW") == nullptr || !root) return;
  const Prompts all = load(*root);
  constexpr int kRuns = 1000;
  constexpr size_t kSide = 100;
  Rejections rejections;
  std::atomic<int> failures{0};
  repeat(kRuns, [&](int run) {
    const std::vector<Prompt> prompts = draw(all, {"null", Source::kNone, 0}, kSide, 9000 + static_cast<uint64_t>(run));
    std::vector<std::string_view> views;
    for (const Prompt& one : prompts) views.emplace_back(one.text);
    const SparseRows rows = weighted_rows(views);
    const Vectors dense = latent_vectors(rows, 32, static_cast<uint64_t>(run));
    const Sample x = texts_of(prompts, 0, kSide), y = texts_of(prompts, kSide, kSide);
    DetectorOptions options;
    options.permutations = 99;
    options.threads = 1;
    options.seed = static_cast<uint64_t>(run);
    for (const Detector& detector : detectors()) {
      const auto made = run_detector(detector, as_kind(detector.kind, x, dense.view(), 0, prompts), as_kind(detector.kind, y, dense.view(), kSide, prompts), options);
      if (!made || !made->p_value) ++failures;
      else rejections.count(std::string(detector.name), *made->p_value);
    }
    PermutationPlan plan;
    plan.permutations = 99;
    plan.seed = options.seed;
    const auto near = nearest_neighbours(rows, 64, 1);
    const auto family = primary_test(*near, dense.view(), *Memberships::make(2 * kSide, kSide, plan), {0, options.seed, 1, {}});
    if (!family) ++failures;
    else rejections.count("primary family", family->joint.p_value);
  });
  CHECK(failures == 0);
  std::printf("| test | alarms in %d runs at 0.05 |\n|---|---|\n", kRuns);
  for (const auto& [name, count] : rejections.take()) {
    INFO(name);
    // Binomial(1000, 0.05) passes 72 with a probability below 0.001.
    CHECK(count <= 72);
    std::printf("| %s | %d%s |\n", name.c_str(), count, count < 30 ? " (conservative)" : "");
  }
}

TEST_CASE("on real prompts that do differ, the primary family is near the best of the tests", "[prompts]") {
  const auto root = data_root();
  if (getenv("LLMOPS_SLOW") == nullptr || !root) return;
  const Prompts all = load(*root);
  constexpr int kRuns = 100;
  constexpr size_t kSide = 300;
  const Scenario scenarios[] = {{"10 % foreign", Source::kForeign, 0.1}, {"20 % foreign", Source::kForeign, 0.2}, {"10 % out of scope", Source::kOutOfScope, 0.1}, {"10 % unseen intents", Source::kUnseen, 0.1}, {"20 % unseen intents", Source::kUnseen, 0.2}};
  std::printf("| scenario | test | power at 0.05 |\n|---|---|---|\n");
  for (const Scenario& scenario : scenarios) {
    Rejections rejections;
    repeat(kRuns, [&](int run) {
      const std::vector<Prompt> prompts = draw(all, scenario, kSide, 500 + static_cast<uint64_t>(run));
      std::vector<std::string_view> views;
      for (const Prompt& one : prompts) views.emplace_back(one.text);
      const SparseRows rows = weighted_rows(views);
      const Vectors dense = latent_vectors(rows, 100, static_cast<uint64_t>(run)), few = latent_vectors(rows, 32, static_cast<uint64_t>(run));
      PermutationPlan plan;
      plan.permutations = 199;
      plan.seed = static_cast<uint64_t>(run);
      const Memberships members = *Memberships::make(2 * kSide, kSide, plan);
      const auto near = nearest_neighbours(rows, 64, 1);
      const auto family = primary_test(*near, dense.view(), members, {0, plan.seed, 1, {}});
      rejections.count("primary family", family->joint.p_value);
      rejections.count("novelty", family->novelty.p_value);
      rejections.count("mmd", family->mean.p_value);
      rejections.count("topics", family->shares.p_value);
      rejections.count("fuse", fuse_test(few.view().part(0, kSide), few.view().part(kSide, kSide), members, 1)->p_value);
      const TextTerms terms = text_terms(views);
      rejections.count("oov", new_words_test(terms, members, 1)->p_value);
      rejections.count("vocabulary", vocabulary_test(terms, members)->p_value);
      DetectorOptions options;
      options.permutations = 199;
      options.threads = 1;
      const Sample x = texts_of(prompts, 0, kSide), y = texts_of(prompts, kSide, kSide);
      for (const char* name : {"witness", "classifier", "knn-graph", "energy-distance", "lsdd"}) {
        const auto made = run_detector(*find_detector(name), as_kind(SampleKind::kVectors, x, dense.view(), 0, prompts), as_kind(SampleKind::kVectors, y, dense.view(), kSide, prompts), options);
        if (made && made->p_value) rejections.count(name, *made->p_value);
      }
    });
    const auto counts = rejections.take();
    int best = 0;
    for (const auto& [name, count] : counts) {
      std::printf("| %s | %s | %.2f |\n", scenario.name, name.c_str(), static_cast<double>(count) / kRuns);
      if (name != "primary family") best = std::max(best, count);
    }
    INFO(scenario.name);
    CHECK(counts.at("primary family") >= best - 15);
    if (scenario.source == Source::kForeign) CHECK(counts.at("primary family") >= 50);
  }
}

}  // namespace llmops::test
