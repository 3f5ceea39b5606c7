#include "core/sketch/frequency_sketch.h"

#include <algorithm>

namespace llmops {
namespace {

constexpr unsigned kWidthBits = 11;
static_assert(size_t{1} << kWidthBits == FrequencySketch::kWidth);

// Each row looks at bits of its own.
uint32_t place_of(uint64_t hash, size_t row) { return static_cast<uint32_t>(row * FrequencySketch::kWidth + ((hash >> (row * 16)) & (FrequencySketch::kWidth - 1))); }

const auto kByPlace = [](const std::pair<uint32_t, int64_t>& entry, uint32_t place) { return entry.first < place; };

}  // namespace

void FrequencySketch::add(uint64_t hash, int64_t times) {
  total_ += times;
  for (size_t row = 0; row < kDepth; ++row) count_at(place_of(hash, row), times);
}

void FrequencySketch::count_at(uint32_t place, int64_t times) {
  if (!table_.empty()) {
    table_[place] += times;
    return;
  }
  const auto found = std::lower_bound(few_.begin(), few_.end(), place, kByPlace);
  if (found != few_.end() && found->first == place) {
    found->second += times;
    return;
  }
  few_.insert(found, {place, times});
  if (few_.size() <= kFew) return;
  table_.resize(kDepth * kWidth);
  for (const auto& [at, count] : few_) table_[at] = count;
  few_ = {};
}

int64_t FrequencySketch::at(uint32_t place) const {
  if (!table_.empty()) return table_[place];
  const auto found = std::lower_bound(few_.begin(), few_.end(), place, kByPlace);
  return found != few_.end() && found->first == place ? found->second : 0;
}

void FrequencySketch::merge(const FrequencySketch& other) {
  total_ += other.total_;
  for (const auto& [place, count] : other.entries()) count_at(place, count);
}

int64_t FrequencySketch::estimate(uint64_t hash) const {
  int64_t least = at(place_of(hash, 0));
  for (size_t row = 1; row < kDepth; ++row) least = std::min(least, at(place_of(hash, row)));
  return least;
}

std::vector<std::pair<uint32_t, int64_t>> FrequencySketch::entries() const {
  if (table_.empty()) return few_;
  std::vector<std::pair<uint32_t, int64_t>> found;
  for (uint32_t place = 0; place < table_.size(); ++place) if (table_[place] != 0) found.emplace_back(place, table_[place]);
  return found;
}

bool FrequencySketch::operator==(const FrequencySketch& other) const { return total_ == other.total_ && entries() == other.entries(); }

// The total, how many counts are not 0, and for each: distance from the one before, count.
void FrequencySketch::append_to(std::string& out) const {
  const auto all = entries();
  append_varint(out, static_cast<uint64_t>(total_));
  append_varint(out, all.size());
  uint32_t last = 0;
  for (const auto& [place, count] : all) {
    append_varint(out, place - last);
    append_varint(out, static_cast<uint64_t>(count));
    last = place;
  }
}

std::optional<FrequencySketch> FrequencySketch::read(ByteReader& reader) {
  FrequencySketch made;
  made.total_ = reader.count();
  const uint64_t size = reader.varint();
  if (reader.failed() || size > kDepth * kWidth) return std::nullopt;
  std::vector<int64_t> rows(kDepth);
  uint64_t place = 0;
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t step = reader.varint();
    const int64_t count = reader.count();
    if (reader.failed() || step >= kDepth * kWidth - place || (i > 0 && step == 0) || count == 0) return std::nullopt;
    place += step;
    made.count_at(static_cast<uint32_t>(place), count);
    if ((rows[place / kWidth] += count) > made.total_) return std::nullopt;
  }
  // Each thing adds once to each row.
  if (std::any_of(rows.begin(), rows.end(), [&](int64_t sum) { return sum != made.total_; })) return std::nullopt;
  return made;
}

}  // namespace llmops
