// The table of detectors: every row on samples that do not differ and on samples that do.
#include "core/drift/detectors.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <set>

namespace llmops {
namespace {

const std::vector<std::string> kSubjects{"card", "refund", "transfer", "account", "password", "statement", "limit", "fee", "pin", "loan"}, kVerbs{"where is", "how do I change", "why was", "I lost", "please cancel", "when comes"},
    kForeign{"recipe", "oven", "flight", "luggage", "guitar"};

std::string sentence(std::mt19937& random, bool is_foreign) {
  const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  return pick(kVerbs) + " my " + pick(is_foreign ? kForeign : kSubjects) + " " + pick(is_foreign ? kForeign : kSubjects);
}

// A sample of what a detector takes; `shift` from 0 (the same) to 1 (plainly different).
Sample sample_for(const Detector& detector, SampleKind kind, std::mt19937& random, size_t count, double shift) {
  std::normal_distribution<double> normal;
  Sample made;
  made.kind = kind;
  made.vectors.dimensions = 3;
  for (size_t i = 0; i < count; ++i) {
    if (kind == SampleKind::kVectors) for (int d = 0; d < 3; ++d) made.vectors.values.push_back(static_cast<float>(normal(random) + 1.5 * shift + (d == 0 && detector.name == "novelty" ? 4 - 9 * shift : 0)));
    if (kind == SampleKind::kNumbers) made.numbers.push_back(std::round(10 * (normal(random) + shift)));
    if (kind == SampleKind::kCategories) made.texts.push_back(std::string(1, static_cast<char>('a' + random() % 3 + (random() % 100 < 100 * shift ? 1 : 0))));
    if (kind == SampleKind::kTexts) made.texts.push_back(sentence(random, random() % 100 < 60 * shift) + (shift > 0 && detector.name == "length" ? " and tell me everything about it" : ""));
    if (detector.takes_contexts) made.contexts.push_back(i % 2 == 0 ? "de" : "en");
  }
  made.vectors.rows = kind == SampleKind::kVectors ? count : 0;
  return made;
}

}  // namespace

TEST_CASE("every detector finds a plain difference, and says nothing of samples of one kind") {
  std::set<std::string_view> names;
  for (const Detector& detector : detectors()) {
    INFO(detector.name);
    CHECK(names.insert(detector.name).second);
    CHECK_FALSE((detector.statistic.empty() || detector.convention.empty() || detector.source.empty()));
    CHECK(find_detector(detector.name) == &detector);
    std::mt19937 random(11);
    DetectorOptions options;
    options.permutations = 199;
    options.threads = 2;
    const Sample reference = sample_for(detector, detector.kind, random, 120, 0), same = sample_for(detector, detector.kind, random, 110, 0), moved = sample_for(detector, detector.kind, random, 110, 1);
    const auto found = run_detector(detector, reference, moved, options), none = run_detector(detector, reference, same, options);
    REQUIRE((found && none));
    REQUIRE((found->p_value && none->p_value));
    CHECK(*found->p_value <= 0.01);
    CHECK(*none->p_value > 0.01);
    CHECK(found->statistic > none->statistic);
    const auto again = run_detector(detector, reference, moved, options);
    CHECK((again->statistic == found->statistic && again->p_value == found->p_value));
  }
  CHECK(find_detector("none") == nullptr);
}

TEST_CASE("texts become vectors of both samples at once, for every method that takes vectors") {
  std::mt19937 random(12);
  DetectorOptions options;
  options.permutations = 99;
  for (const char* name : {"mmd", "fuse", "novelty", "rff", "nystroem"}) {
    INFO(name);
    const Detector& detector = *find_detector(name);
    const Sample reference = sample_for(detector, SampleKind::kTexts, random, 100, 0), moved = sample_for(detector, SampleKind::kTexts, random, 100, 1);
    const auto made = run_detector(detector, reference, moved, options);
    REQUIRE(made);
    CHECK(*made->p_value <= 0.02);
  }
}

TEST_CASE("a method for another kind, other dimensions and missing contexts are refused") {
  std::mt19937 random(13);
  const Detector &mmd = *find_detector("mmd"), &ks = *find_detector("ks"), &context = *find_detector("context");
  const Sample vectors = sample_for(mmd, SampleKind::kVectors, random, 20, 0), numbers = sample_for(ks, SampleKind::kNumbers, random, 20, 0);
  CHECK(run_detector(ks, vectors, vectors, {}).error().message == "'ks' compares numbers, and the files hold vectors");
  CHECK(run_detector(mmd, vectors, numbers, {}).error().message == "numbers cannot be held against vectors");
  CHECK(run_detector(context, vectors, vectors, {}).error().message == "'context' needs the context of every item");
  Sample narrow = vectors;
  narrow.vectors.dimensions = 1;
  narrow.vectors.rows = 60;
  CHECK(run_detector(mmd, vectors, narrow, {}).error().message == "vectors of 1 dimensions cannot be held against vectors of 3");
}

}  // namespace llmops
