// Profiles: what a cell counts, how near features come to their kernel, and that no way of dividing records makes a difference.
#include "core/drift/profile.h"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cmath>
#include <random>

#include "core/base/fs.h"
#include "core/drift/profile_file.h"
#include "core/sketch/hash64.h"
#include "core/text/ngram_vectors.h"
#include "core/text/unicode.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

constexpr int64_t kHour = 3'600'000, kStart = 1'763'733'600'000;   // 2025-11-21T14:00:00Z

struct Request { int64_t start_ms = 0; std::string id, text, stratum; int number = 0; };

std::vector<Request> requests(size_t count) {
  std::mt19937 random(12);
  std::vector<Request> made;
  for (size_t i = 0; i < count; ++i) {
    Request one{kStart + static_cast<int64_t>(random() % (3 * kHour)), "t" + std::to_string(i), "", random() % 3 == 0 ? R"({"route":"b"})" : R"({"route":"a"})", static_cast<int>(random() % 1000)};
    for (unsigned w = random() % 9; w > 0; --w) one.text += "word" + std::to_string(random() % 400 * (random() % 400) / 400) + " ";
    made.push_back(std::move(one));
  }
  return made;
}

void add(const Request& request, Profile& profile) {
  ProfileRecord record;
  record.start_ms = request.start_ms;
  record.stratum = request.stratum;
  record.identity = request.id;
  record.text = request.text;
  record.latency_ms = request.number;
  if (request.number % 2 == 0) record.cost_usd = request.number * 1e-5;
  if (request.number % 5 != 0) record.output_bytes = request.number;
  record.is_error = request.number % 7 == 0;
  record.is_refusal = request.number % 9 == 0;
  REQUIRE(profile.add(record));
}

std::vector<double> features_of(ProfileFeatures& map, const std::string& text, size_t features) {
  NgramOptions options;
  options.dimensions = size_t{1} << 14;
  std::vector<uint32_t> ngrams;
  ngram_indices(split_words(text), options, ngrams);
  std::vector<int32_t> whole(features);
  map.compute(ngrams, whole);
  std::vector<double> made;
  for (const int32_t value : whole) made.push_back(std::sqrt(2.0 / static_cast<double>(features)) * value / FeatureTotals::kOne);
  return made;
}

double dot(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

// exp(-|x - y|^2 / 2) of the rows themselves.
double kernel(const std::string& one, const std::string& other) {
  NgramOptions options;
  options.dimensions = size_t{1} << 14;
  const std::vector<std::string_view> texts{one, other};
  SparseRows rows = ngram_counts(texts, options);
  weigh(rows, std::vector<float>(options.dimensions, 1));
  return std::exp(-(rows.dot(0, 0) + rows.dot(1, 1) - 2 * rows.dot(0, 1)) / 2);
}

}  // namespace

TEST_CASE("an hour of a stratum counts what is known, and leaves out what is not") {
  Profile profile{ProfileSpec{}};
  ProfileRecord record;
  record.start_ms = kStart + 5;
  record.identity = "1";
  record.text = "Where is my CARD";
  record.session = "s";
  record.output_bytes = 12;
  record.is_refusal = true;
  record.latency_ms = 200;
  REQUIRE(profile.add(record));
  record = {};
  record.start_ms = kStart + kHour - 1;
  record.identity = "2";
  record.text = "";
  record.is_error = true;
  record.is_refusal = true;          // of no answer: nothing is counted
  record.cost_usd = -1;
  REQUIRE(profile.add(record));
  record = {};
  record.start_ms = kStart + kHour;
  REQUIRE(profile.add(record));
  record = {};
  REQUIRE(profile.add(record));
  REQUIRE(profile.cells().size() == 2);
  CHECK(profile.left_out.without_time == 1);
  const auto& [key, cell] = *profile.cells().begin();
  CHECK((key.hour_ms == kStart && key.component.empty() && key.stratum.empty()));
  CHECK(cell.counts == ProfileCounts{2, 1, 1, 0, 1, 0, 0, 2, 1, 1});
  CHECK((cell.words.count() == 2 && cell.words.least() == 0.0 && cell.words.most() == 4.0 && cell.words.sum() == 4));
  CHECK((cell.latency_ms.count() == 1 && cell.ttft_ms.count() == 0 && cell.cost_usd.count() == 0 && cell.output_bytes.sum() == 12));
  CHECK(cell.prompts.estimate() == Approx(2).margin(0.01));
  CHECK(cell.sessions.estimate() == Approx(1).margin(0.01));
  CHECK((cell.word_counts.total() == 4 && cell.word_counts.estimate(hash64("card")) == 1));
  CHECK(frequent_words(cell, 2) == std::vector<std::pair<std::string, int64_t>>{{"card", 1}, {"is", 1}});
  CHECK(cell.features.count == 2);
  const ProfileCell& second = profile.cells().rbegin()->second;
  CHECK((second.counts.records == 1 && second.counts.with_text == 0 && second.features.count == 0));
}

TEST_CASE("hours before 1970 are hours too") {
  Profile profile{ProfileSpec{}};
  ProfileRecord record;
  record.start_ms = -1;
  REQUIRE(profile.add(record));
  CHECK(profile.cells().begin()->first.hour_ms == -kHour);
}

TEST_CASE("features of a text have length 1, and their products are near the kernel") {
  constexpr size_t kFeatures = 4096;
  ProfileFeatures map(size_t{1} << 14, kFeatures, 1, 3);
  const std::vector<std::string> texts{"where is my card", "where is my new card please", "cancel the transfer of last week", "", "card card card card transfer", "where is my card"};
  for (const std::string& one : texts) {
    for (const std::string& other : texts) {
      const double found = dot(features_of(map, one, kFeatures), features_of(map, other, kFeatures));
      INFO(one << " | " << other);
      // 2048 pairs: a standard deviation of at most 1 / sqrt(2 x 2048) = 0.016.
      CHECK(found == Approx(kernel(one, other)).margin(0.06));
      if (one == other) CHECK(found == Approx(1).margin(1e-6));
    }
  }
}

TEST_CASE("sines and cosines are those of the library, and features hang on the seed alone") {
  // With one n-gram the row is 1 in one place, so that cos^2 + sin^2 = 1 of each pair, and the angles are N(0, 1): the mean of the cosines is exp(-1/2), of the sines 0.
  constexpr size_t kFeatures = 4096;
  ProfileFeatures map(size_t{1} << 14, kFeatures, 1, 3), again(size_t{1} << 14, kFeatures, 1, 3), other(size_t{1} << 14, kFeatures, 1, 4), narrow(size_t{1} << 14, kFeatures, 0.5, 3);
  std::vector<int32_t> first(kFeatures), second(kFeatures), third(kFeatures), fourth(kFeatures);
  const std::vector<uint32_t> ngram{77}, before{5};
  map.compute(ngram, first);
  again.compute(before, second);
  again.compute(ngram, second);
  other.compute(ngram, third);
  narrow.compute(ngram, fourth);
  CHECK(first == second);
  CHECK(first != third);
  double cosines = 0, sines = 0;
  for (size_t f = 0; f < kFeatures / 2; ++f) {
    const double c = static_cast<double>(first[f]) / FeatureTotals::kOne, s = static_cast<double>(first[kFeatures / 2 + f]) / FeatureTotals::kOne;
    CHECK(c * c + s * s == Approx(1).margin(5e-7));
    // Half the width doubles the angle.
    CHECK(static_cast<double>(fourth[f]) / FeatureTotals::kOne == Approx(c * c - s * s).margin(1e-5));
    cosines += c / (kFeatures / 2);
    sines += s / (kFeatures / 2);
  }
  CHECK(cosines == Approx(std::exp(-0.5)).margin(5 * 0.45 / std::sqrt(2048)));
  CHECK(sines == Approx(0).margin(5 * 0.66 / std::sqrt(2048)));
}

TEST_CASE("sums of a cell give the statistic of the features themselves") {
  Profile one{ProfileSpec{}}, other{ProfileSpec{}};
  ProfileFeatures map(size_t{1} << 14, 256, 1, 0);
  std::vector<std::vector<double>> x, y;
  for (const Request& request : requests(40)) {
    const bool is_one = request.number % 2 == 0;
    add(request, is_one ? one : other);
    (is_one ? x : y).push_back(features_of(map, request.text, 256));
  }
  // Over all pairs of different rows.
  const auto mean = [](const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b, bool is_same) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) for (size_t j = 0; j < b.size(); ++j) if (!is_same || i != j) sum += dot(a[i], b[j]);
    return sum / static_cast<double>(a.size() * (b.size() - (is_same ? 1 : 0)));
  };
  const auto found = mmd_of_sums(feature_sums(one.total().features), feature_sums(other.total().features));
  REQUIRE(found);
  CHECK(*found == Approx(mean(x, x, true) + mean(y, y, true) - 2 * mean(x, y, false)).margin(1e-7));
}

TEST_CASE("any way of dividing records among profiles gives the bytes of one pass") {
  test::TempDir dir;
  const std::vector<Request> all = requests(1500);
  Profile whole{ProfileSpec{}};
  for (const Request& request : all) add(request, whole);
  CHECK(whole.cells().size() == 6);
  REQUIRE(write_profile(dir.path() / "whole", whole));
  const std::string expected = *read_file(dir.path() / "whole");
  for (const size_t shards : {1U, 2U, 7U}) {
    for (const bool by_hash : {false, true}) {
      std::mt19937 random(static_cast<unsigned>(shards + (by_hash ? 100 : 0)));
      std::vector<Profile> parts;
      for (size_t i = 0; i < shards; ++i) parts.emplace_back(ProfileSpec{});
      for (size_t i = 0; i < all.size(); ++i) add(all[i], parts[by_hash ? hash64(all[i].id) % shards : i * shards / all.size()]);
      std::shuffle(parts.begin(), parts.end(), random);
      Profile merged{ProfileSpec{}};
      for (const Profile& part : parts) REQUIRE(merged.merge(part));
      REQUIRE(write_profile(dir.path() / "merged", merged));
      CHECK(*read_file(dir.path() / "merged") == expected);
    }
  }
  const auto again = read_profile(dir.path() / "whole", "whole");
  REQUIRE(again);
  CHECK(again->cells() == whole.cells());
}

TEST_CASE("profiles of different specs do not add up") {
  ProfileSpec other;
  other.features = 512;
  other.seed = 7;
  Profile one{ProfileSpec{}};
  const Profile two{other};
  const Status merged = one.merge(two);
  REQUIRE(!merged);
  CHECK(merged.error().code == ErrorCode::kData);
  CHECK(merged.error().message == "profiles of different specs do not add up: " + profile_spec_id(ProfileSpec{}) + " and " + profile_spec_id(other) + " (features 256 against 512, seed 0 against 7)");
  CHECK(profile_spec_id(ProfileSpec{}) != profile_spec_id(other));
  CHECK(profile_spec_id(ProfileSpec{}).size() == 16);
}

TEST_CASE("a spec goes through its JSON, and one of other constants is refused") {
  ProfileSpec spec;
  spec.strata = {"language", "route"};
  spec.capture = "hash";
  spec.sigma = 0.8;
  spec.components = true;
  const auto again = profile_spec_of(profile_spec_json(spec));
  REQUIRE(again);
  CHECK(*again == spec);
  Json json = profile_spec_json(spec);
  json["frequency_width"] = 4096;
  const auto refused = profile_spec_of(json);
  REQUIRE(!refused);
  CHECK(refused.error().message == "the profile was made by another version of llmops, whose sketches do not fit");
  json = profile_spec_json(spec);
  json["features"] = -8;
  CHECK(profile_spec_of(json).error().message == "the profile's spec is damaged");
  json["features"] = 9;
  CHECK_FALSE(profile_spec_of(json));
  CHECK_FALSE(profile_spec_of(Json::array()));
}

TEST_CASE("capture hash keeps no word") {
  ProfileSpec spec;
  spec.capture = "hash";
  Profile profile(spec);
  for (const Request& request : requests(20)) add(request, profile);
  CHECK(profile.total().terms.terms().empty());
  CHECK(profile.total().word_counts.total() > 0);
}

TEST_CASE("a file that was cut, changed or put in another order is refused with its line") {
  test::TempDir dir;
  Profile whole{ProfileSpec{}};
  for (const Request& request : requests(60)) add(request, whole);
  whole.left_out.dropped["malformed JSON"] = 2;
  REQUIRE(write_profile(dir.path() / "p", whole));
  const std::string bytes = *read_file(dir.path() / "p");
  const auto read = [&](const std::string& content) {
    dir.write("q", content);
    return read_profile(dir.path() / "q", "q");
  };
  REQUIRE(read(bytes));
  CHECK(read(bytes)->left_out == whole.left_out);
  CHECK(read(bytes.substr(0, bytes.size() - 1)));        // only the last line's end is missing
  for (size_t size = 0; size + 1 < bytes.size(); size += 1 + bytes.size() / 201) {
    INFO(size);
    CHECK_FALSE(read(bytes.substr(0, size)));
  }
  std::vector<std::string> lines;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = bytes.find('\n', at);
    lines.push_back(bytes.substr(at, end + 1 - at));
    at = end + 1;
  }
  REQUIRE(lines.size() == 7);
  const auto cut = read(lines[0] + lines[1] + lines[2] + lines[3].substr(0, 100));
  REQUIRE(!cut);
  CHECK(cut.error().message == "profile 'q' is cut off: 2 of 6 cells are there");
  CHECK((cut.error().where.file == "q" && cut.error().where.line == 4));
  CHECK(read("").error().message == "'q' is no profile: it is empty");
  CHECK(read("{\"ts\": 1}\n").error().message == "'q' is no profile: its first line does not tell \"schema\": \"llmops.profile/v1\"");
  CHECK(read(lines[0] + lines[2] + lines[1] + lines[3] + lines[4] + lines[5] + lines[6]).error().message == "the cells of profile 'q' are out of order");
  CHECK(read(bytes + lines[6]).error().message == "profile 'q' holds more than the 6 cells that its first line tells");
  std::string flipped = lines[1];
  const size_t body = flipped.find("\"body\":\"") + 40;
  flipped[body] = flipped[body] == 'A' ? 'B' : 'A';
  const auto damaged = read(lines[0] + flipped + lines[2] + lines[3] + lines[4] + lines[5] + lines[6]);
  REQUIRE(!damaged);
  CHECK((damaged.error().message == "a cell of profile 'q' is damaged" && damaged.error().where.line == 2));
  std::string other = bytes;
  other.replace(other.find("\"features\":256"), 14, "\"features\":512");
  CHECK(read(other).error().message.starts_with("profile 'q' says that its spec is " + profile_spec_id(ProfileSpec{}) + ", and it is "));
}

TEST_CASE("bytes of a cell that were changed in any place never do harm") {
  Profile whole{ProfileSpec{}};
  for (const Request& request : requests(30)) add(request, whole);
  const std::string bytes = profile_cell_bytes(whole.cells().begin()->second);
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes;
    for (unsigned n = 1 + random() % 3; n > 0; --n) changed[random() % changed.size()] = static_cast<char>(random());
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    const auto read = profile_cell_of(changed, whole.spec());
    if (!read) {
      CHECK(read.error().message == "the cell's bytes are damaged");
      continue;
    }
    ProfileCell sum = *read;
    sum.merge(whole.cells().begin()->second);
    (void)sum.words.quantile(0.5);
    (void)sum.prompts.estimate();
  }
}

}  // namespace llmops
