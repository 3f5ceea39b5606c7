// Counters that merge. Lengths go into exact counters up to 2048 and into 1024 counters per power of two above that, as
// HdrHistogram does (G. Tene), so that a quantile of any number of rows takes little memory and does not depend on
// how the rows were divided among threads.
#include "core/data/statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/data/normal_form.h"
#include "core/text/tokenizer.h"

namespace llmops {
namespace {

constexpr uint64_t kExact = 2048, kPerPower = 1024;
constexpr int kExactBits = 11;  // log2(kExact)

size_t counter_of(uint64_t length) {
  if (length < kExact) return length;
  const int shift = std::bit_width(length) - kExactBits;
  return static_cast<size_t>(kExact + static_cast<uint64_t>(shift - 1) * kPerPower + ((length >> shift) - kPerPower));
}

uint64_t least_of(size_t counter) {
  if (counter < kExact) return counter;
  const uint64_t above = counter - kExact;
  return (kPerPower + above % kPerPower) << (above / kPerPower + 1);
}

void take_first(int64_t& first, int64_t other) {
  if (first == 0) first = other;
}

}  // namespace

void add_statistics(DatasetStatistics& whole, const DatasetStatistics& file) {
  whole.rows += file.rows;
  whole.broken_rows += file.broken_rows;
  whole.bytes += file.bytes;
  whole.row_bytes.merge(file.row_bytes);
  whole.duplicate_rows += file.duplicate_rows;
  whole.duplicate_groups += file.duplicate_groups;
  for (const FieldStatistics& field : file.fields) {
    const auto known = std::find_if(whole.fields.begin(), whole.fields.end(), [&](const FieldStatistics& one) { return one.name == field.name; });
    FieldStatistics& into = known == whole.fields.end() ? whole.fields.emplace_back() : *known;
    into.name = field.name;
    into.present += field.present;
    into.blank += field.blank;
    for (size_t type = 0; type < kValueTypes; ++type) into.types[type] += field.types[type];
    into.bytes.merge(field.bytes);
    into.characters.merge(field.characters);
    into.words.merge(field.words);
    into.tokens.merge(field.tokens);
  }
}

void LengthDistribution::add(uint64_t length) {
  const size_t counter = counter_of(length);
  if (counter >= counters_.size()) counters_.resize(counter + 1);
  ++counters_[counter];
  ++count_;
  minimum_ = std::min(minimum_, length);
  maximum_ = std::max(maximum_, length);
  total_ += length;
}

void LengthDistribution::merge(const LengthDistribution& other) {
  if (other.counters_.size() > counters_.size()) counters_.resize(other.counters_.size());
  for (size_t i = 0; i < other.counters_.size(); ++i) counters_[i] += other.counters_[i];
  count_ += other.count_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
  total_ += other.total_;
}

uint64_t LengthDistribution::quantile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(share * static_cast<double>(count_))));
  int64_t seen = 0;
  for (size_t i = 0; i < counters_.size(); ++i) {
    seen += counters_[i];
    if (seen >= wanted) return std::max(least_of(i), minimum_);
  }
  return maximum_;
}

const FieldStatistics* DatasetStatistics::find(std::string_view name) const {
  for (const FieldStatistics& field : fields) if (field.name == name) return &field;
  return nullptr;
}

// Rows of one file mostly have the same fields in the same order: the position is tried first.
FieldStatistics& StatisticsPart::field_of(std::string_view name, size_t position) {
  auto& fields = so_far_.fields;
  size_t at = position;
  if (at >= fields.size() || fields[at].name != name) {
    const auto found = index_.find(name);
    if (found == index_.end()) {
      at = fields.size();
      index_.emplace(name, at);
      fields.emplace_back().name = name;
      seen_in_row_.push_back(0);
      if (so_far_.rows > 1) fields.back().first_missing_line = first_line_;
    } else {
      at = found->second;
    }
  }
  seen_in_row_[at] = so_far_.rows;
  return fields[at];
}

void StatisticsPart::add_row(const Row& row, int64_t line, size_t row_bytes) {
  ++so_far_.rows;
  if (first_line_ == 0) first_line_ = line;
  so_far_.row_bytes.add(row_bytes);
  for (size_t i = 0; i < row.fields.size(); ++i) {
    const Field& field = row.fields[i];
    FieldStatistics& column = field_of(field.name, i);
    ++column.present;
    ++column.types[static_cast<size_t>(field.type)];
    take_first(column.first_lines[static_cast<size_t>(field.type)], line);
    const bool blank = is_blank(field);
    if (blank) {
      ++column.blank;
      take_first(column.first_blank_line, line);
    } else if (field.type == ValueType::kText && with_lengths_) {
      const std::string_view text = field_text(field, scratch_);
      column.bytes.add(text.size());
      column.characters.add(count_characters(text));
      column.words.add(count_words(text));
      if (tokenizer_ != nullptr) column.tokens.add(tokenizer_->count(text, {}));
    }
    if (!label_column_.empty() && !blank && field.name == label_column_) add_label(std::string(field_text(field, scratch_)), 1);
  }
  if (row.fields.size() == so_far_.fields.size()) return;
  for (size_t i = 0; i < so_far_.fields.size(); ++i) {
    if (seen_in_row_[i] != so_far_.rows) take_first(so_far_.fields[i].first_missing_line, line);
  }
}

void StatisticsPart::add_label(const std::string& label, int64_t count) {
  const auto found = labels_.find(label);
  if (found != labels_.end()) found->second += count;
  else if (labels_.size() < kMostLabels) labels_.emplace(label, count);
  else so_far_.labels.beyond_limit += count;
}

void StatisticsPart::merge(StatisticsPart&& next) {
  broken_rows += next.broken_rows;
  bytes += next.bytes;
  if (next.so_far_.rows == 0) return;
  const bool had_rows = so_far_.rows > 0;
  for (FieldStatistics& column : so_far_.fields) {
    if (!next.index_.contains(column.name)) take_first(column.first_missing_line, next.first_line_);
  }
  for (size_t i = 0; i < next.so_far_.fields.size(); ++i) {
    FieldStatistics& from = next.so_far_.fields[i];
    const bool is_new = !index_.contains(from.name);
    FieldStatistics& into = field_of(from.name, i);
    if (is_new) into.first_missing_line = had_rows ? first_line_ : from.first_missing_line;
    else take_first(into.first_missing_line, from.first_missing_line);
    into.present += from.present;
    into.blank += from.blank;
    take_first(into.first_blank_line, from.first_blank_line);
    for (size_t type = 0; type < kValueTypes; ++type) {
      into.types[type] += from.types[type];
      take_first(into.first_lines[type], from.first_lines[type]);
    }
    into.bytes.merge(from.bytes);
    into.characters.merge(from.characters);
    into.words.merge(from.words);
    into.tokens.merge(from.tokens);
  }
  so_far_.rows += next.so_far_.rows;
  so_far_.row_bytes.merge(next.so_far_.row_bytes);
  so_far_.labels.beyond_limit += next.so_far_.labels.beyond_limit;
  for (const auto& [label, count] : next.labels_) add_label(label, count);
  if (first_line_ == 0) first_line_ = next.first_line_;
}

DatasetStatistics StatisticsPart::finish() {
  DatasetStatistics done = std::move(so_far_);
  done.broken_rows = broken_rows;
  done.bytes = bytes;
  LabelBalance& labels = done.labels;
  labels.column = label_column_;
  labels.rows = labels.beyond_limit;
  for (const auto& [label, count] : labels_) {
    labels.counts.emplace_back(label, count);
    labels.rows += count;
  }
  if (label_column_.empty()) return done;
  labels.missing = done.rows - labels.rows;
  std::stable_sort(labels.counts.begin(), labels.counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [label, count] : labels.counts) {
    const double share = static_cast<double>(count) / static_cast<double>(labels.rows);
    labels.entropy_bits -= share * std::log2(share);
  }
  if (labels.counts.size() > 1) labels.evenness = labels.entropy_bits / std::log2(static_cast<double>(labels.counts.size()));
  if (!labels.counts.empty()) labels.majority_share = static_cast<double>(labels.counts[0].second) / static_cast<double>(labels.rows);
  return done;
}

}  // namespace llmops
