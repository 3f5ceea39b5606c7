#include "core/drift/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/hash.h"
#include "core/sketch/hash64.h"
#include "core/text/ngram_vectors.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr uint64_t kCellForm = 1;
constexpr size_t kSpecDigits = 16, kLeastDimensions = 2048, kMostDimensions = size_t{1} << 20;
constexpr uint64_t kMostSeed = uint64_t{1} << 53;

constexpr int64_t ProfileCounts::*kCounts[] = {&ProfileCounts::records, &ProfileCounts::errors, &ProfileCounts::answered, &ProfileCounts::empty, &ProfileCounts::refusals, &ProfileCounts::cut_off, &ProfileCounts::malformed_json, &ProfileCounts::with_text,
    &ProfileCounts::with_session, &ProfileCounts::impossible};
constexpr QuantileSketch ProfileCell::*kQuantiles[] = {&ProfileCell::words, &ProfileCell::input_tokens, &ProfileCell::output_tokens, &ProfileCell::output_bytes, &ProfileCell::latency_ms, &ProfileCell::ttft_ms, &ProfileCell::cost_usd};

Error too_many_cells() { return Error(ErrorCode::kData, fmt::format("the profile has more than {} cells of hour, component and stratum", Profile::kMostCells), "take fewer strata, or a shorter time for each profile and merge by week"); }

Error damaged_cell() { return Error(ErrorCode::kData, "the cell's bytes are damaged", "make the profile anew"); }

// The word, or its longest beginning of whole characters that is kept.
std::string_view kept_part(std::string_view word) {
  if (word.size() <= HeavyTerms::kLongestBytes) return word;
  size_t end = HeavyTerms::kLongestBytes;
  while (end > 0 && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) --end;
  return word.substr(0, end);
}

bool is_power_of_two(size_t n) { return n > 0 && (n & (n - 1)) == 0; }

}  // namespace

Json profile_spec_json(const ProfileSpec& spec) {
  return {{"version", 1}, {"period_ms", kProfilePeriodMs}, {"ngrams", "words and pairs, 1 + ln count, unit length"}, {"dimensions", spec.dimensions}, {"features", spec.features}, {"sigma", spec.sigma}, {"seed", spec.seed}, {"capture", spec.capture},
      {"strata", spec.strata}, {"components", spec.components}, {"quantile_accuracy", QuantileSketch::kAccuracy}, {"distinct_precision", DistinctSketch::kPrecision}, {"frequency_depth", FrequencySketch::kDepth}, {"frequency_width", FrequencySketch::kWidth},
      {"terms", spec.keeps_terms() ? HeavyTerms::kKept : 0}};
}

std::string profile_spec_id(const ProfileSpec& spec) {
  const Json json = profile_spec_json(spec);
  return sha256_hex(canonical_json(json).value()).substr(0, kSpecDigits);
}

Result<ProfileSpec> profile_spec_of(const Json& json) {
  ProfileSpec spec;
  const Error damaged(ErrorCode::kData, "the profile's spec is damaged", "make the profile anew");
  if (!json.is_object()) return damaged;
  const Json form = profile_spec_json(spec);
  for (const auto& [name, value] : form.items()) {
    const bool is_there = json.contains(name) && (json[name].is_number() == value.is_number() && json[name].is_string() == value.is_string() && json[name].is_array() == value.is_array() && json[name].is_boolean() == value.is_boolean());
    if (!is_there) return damaged;
  }
  for (const char* name : {"dimensions", "features", "seed"}) if (!json[name].is_number_unsigned()) return damaged;
  for (const Json& field : json["strata"]) {
    if (!field.is_string()) return damaged;
    spec.strata.push_back(field.get<std::string>());
  }
  spec.dimensions = json["dimensions"].get<size_t>();
  spec.features = json["features"].get<size_t>();
  spec.sigma = json["sigma"].get<double>();
  spec.seed = json["seed"].get<uint64_t>();
  spec.capture = json["capture"].get<std::string>();
  spec.components = json["components"].get<bool>();
  const bool can_be = is_power_of_two(spec.dimensions) && spec.dimensions >= kLeastDimensions && spec.dimensions <= kMostDimensions && spec.features > 0 && spec.features % 8 == 0 && spec.features <= FeatureTotals::kMostFeatures && spec.sigma > 0 &&
                      std::isfinite(spec.sigma) && spec.seed < kMostSeed && spec.dimensions * spec.features <= (size_t{1} << 28);
  if (!can_be) return damaged;
  // Members beyond ours, or other constants: of another version of the program.
  if (!json_equal(json, profile_spec_json(spec))) return Error(ErrorCode::kData, "the profile was made by another version of llmops, whose sketches do not fit", "make the profile anew");
  return spec;
}

std::string profile_spec_difference(const ProfileSpec& one, const ProfileSpec& other) {
  std::string text;
  const Json first = profile_spec_json(one), second = profile_spec_json(other);
  for (const auto& [name, value] : first.items()) if (second[name] != value) text += fmt::format("{}{} {} against {}", text.empty() ? "" : ", ", name, json_to_text(value), json_to_text(second[name]));
  return text;
}

void ProfileCell::merge(const ProfileCell& other) {
  for (const auto count : kCounts) counts.*count += other.counts.*count;
  for (const auto sketch : kQuantiles) (this->*sketch).merge(other.*sketch);
  prompts.merge(other.prompts);
  sessions.merge(other.sessions);
  word_counts.merge(other.word_counts);
  terms.merge(other.terms);
  features.merge(other.features);
}

std::vector<std::pair<std::string, int64_t>> frequent_words(const ProfileCell& cell, size_t most) {
  std::vector<std::pair<std::string, int64_t>> found;
  for (const HeavyTerms::Term& term : cell.terms.terms()) found.emplace_back(term.text, cell.word_counts.estimate(hash64(term.text)));
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; });
  if (found.size() > most) found.resize(most);
  return found;
}

FeatureSums feature_sums(const FeatureTotals& totals) {
  FeatureSums made;
  const double scale = std::sqrt(2.0 / static_cast<double>(std::max<size_t>(totals.totals.size(), 1)));
  for (size_t f = 0; f < totals.totals.size(); ++f) made.sums.push_back(scale * totals.total(f));
  made.squares = static_cast<double>(totals.count);
  made.count = totals.count;
  return made;
}

std::string profile_cell_bytes(const ProfileCell& cell) {
  std::string out;
  append_varint(out, kCellForm);
  for (const auto count : kCounts) append_varint(out, static_cast<uint64_t>(cell.counts.*count));
  for (const auto sketch : kQuantiles) (cell.*sketch).append_to(out);
  cell.prompts.append_to(out);
  cell.sessions.append_to(out);
  cell.word_counts.append_to(out);
  cell.terms.append_to(out);
  cell.features.append_to(out);
  return out;
}

namespace {

template <class Sketch>
bool read_into(ByteReader& reader, Sketch& sketch) {
  auto read = Sketch::read(reader);
  if (read) sketch = std::move(*read);
  return read.has_value();
}

}  // namespace

Result<ProfileCell> profile_cell_of(std::string_view bytes, const ProfileSpec& spec) {
  ByteReader reader(bytes);
  ProfileCell cell;
  if (reader.varint() != kCellForm) return damaged_cell();
  for (const auto count : kCounts) cell.counts.*count = reader.count();
  for (const auto sketch : kQuantiles) if (!read_into(reader, cell.*sketch)) return damaged_cell();
  const bool is_whole = read_into(reader, cell.prompts) && read_into(reader, cell.sessions) && read_into(reader, cell.word_counts) && read_into(reader, cell.terms) && read_into(reader, cell.features) && !reader.failed() && reader.left() == 0;
  if (!is_whole || (cell.features.count > 0 && cell.features.totals.size() != spec.features) || cell.features.count != cell.counts.with_text) return damaged_cell();
  return cell;
}

void ProfileLeftOut::merge(const ProfileLeftOut& other) {
  without_time += other.without_time;
  repaired += other.repaired;
  for (const auto& [reason, count] : other.dropped) dropped[reason] += count;
}

Result<ProfileCell*> Profile::cell_of(int64_t hour_ms, std::string_view component, std::string_view stratum) {
  if (last_ != nullptr && last_->first.hour_ms == hour_ms && last_->first.component == component && last_->first.stratum == stratum) return &last_->second;
  const auto [place, is_new] = cells_.try_emplace(ProfileKey{hour_ms, std::string(component), std::string(stratum)});
  last_ = &*place;
  if (is_new && cells_.size() > kMostCells) return too_many_cells();
  return &place->second;
}

Status Profile::add(const ProfileRecord& record) {
  if (!record.start_ms) {
    ++left_out.without_time;
    return {};
  }
  const int64_t past = ((*record.start_ms % kProfilePeriodMs) + kProfilePeriodMs) % kProfilePeriodMs;
  LLMOPS_ASSIGN(ProfileCell * cell, cell_of(*record.start_ms - past, record.component, record.stratum));
  ProfileCounts& counts = cell->counts;
  ++counts.records;
  counts.errors += record.is_error;
  if (record.output_bytes) {
    ++counts.answered;
    counts.empty += record.is_empty;
    counts.refusals += record.is_refusal;
    counts.cut_off += record.is_cut_off;
    counts.malformed_json += record.is_malformed_json;
  }
  const auto measure = [&](QuantileSketch& sketch, const auto& value) { if (value && !sketch.add(static_cast<double>(*value))) ++counts.impossible; };
  measure(cell->input_tokens, record.input_tokens);
  measure(cell->output_tokens, record.output_tokens);
  measure(cell->output_bytes, record.output_bytes);
  measure(cell->latency_ms, record.latency_ms);
  measure(cell->ttft_ms, record.ttft_ms);
  measure(cell->cost_usd, record.cost_usd);
  if (record.session) {
    ++counts.with_session;
    cell->sessions.add(hash64(*record.session));
  }
  if (record.text) add_text(*record.text, record.identity, *cell);
  return {};
}

void Profile::add_text(std::string_view text, std::string_view identity, ProfileCell& cell) {
  ++cell.counts.with_text;
  cell.prompts.add(hash64(text));
  const std::vector<std::string> words = split_words(text);
  cell.words.add(static_cast<double>(words.size()));
  uint64_t draw = hash64(identity);
  for (const std::string& whole : words) {
    const std::string_view word = kept_part(whole);
    const uint64_t hash = hash64(word);
    cell.word_counts.add(hash);
    if (spec_.keeps_terms()) cell.terms.add(word, hash, ++draw);
  }
  if (!map_) map_ = std::make_shared<ProfileFeatures>(spec_.dimensions, spec_.features, spec_.sigma, spec_.seed);
  NgramOptions ngrams;
  ngrams.dimensions = spec_.dimensions;
  ngram_indices(words, ngrams, ngrams_);
  features_.resize(spec_.features);
  map_->compute(ngrams_, features_);
  cell.features.add(features_);
}

Status Profile::merge(const Profile& other) {
  if (spec_ != other.spec_) {
    return Error(ErrorCode::kData, fmt::format("profiles of different specs do not add up: {} and {} ({})", profile_spec_id(spec_), profile_spec_id(other.spec_), profile_spec_difference(spec_, other.spec_)), "make both with the same options");
  }
  for (const auto& [key, cell] : other.cells_) LLMOPS_CHECK(put(key, cell));
  left_out.merge(other.left_out);
  return {};
}

Status Profile::put(const ProfileKey& key, ProfileCell cell) {
  const auto found = cells_.find(key);
  if (found != cells_.end()) {
    found->second.merge(cell);
    return {};
  }
  if (cells_.size() >= kMostCells) return too_many_cells();
  cells_.emplace(key, std::move(cell));
  return {};
}

ProfileCell Profile::total() const {
  ProfileCell all;
  for (const auto& [key, cell] : cells_) all.merge(cell);
  return all;
}

}  // namespace llmops
