#include "commands/monitor/sample_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "core/base/json.h"
#include "core/format/dataset_rows.h"
#include "core/format/dataset_rows_bytes.h"
#include "core/format/npy.h"

namespace llmops {
namespace {

constexpr std::array<const char*, 4> kTextFields{"input", "text", "prompt", "question"};

std::optional<double> number_of(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.get_ref<const std::string&>();
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' ? std::nullopt : std::optional(number);
}

Error no_number(const std::string& name, int64_t row, const std::string& column, double value) {
  return Error(ErrorCode::kData, fmt::format("'{}' holds {} in row {}{}", name, std::isnan(value) ? "NaN" : "an infinity", row, column.empty() ? "" : fmt::format(", column '{}'", column)), "leave such rows out: an unknown number is no number");
}

Result<Sample> read_array(const fs::path& path, const std::string& name) {
  LLMOPS_ASSIGN(const NpyArray array, read_npy(path, name));
  if (array.shape.empty() || array.shape.size() > 2) return Error(ErrorCode::kData, fmt::format("'{}' has {} dimensions", name, array.shape.size()), "give one dimension (numbers) or two (a vector in each row)");
  const uint64_t width = array.shape.size() == 2 ? array.shape[1] : 1;
  for (size_t i = 0; i < array.values.size(); ++i) if (!std::isfinite(array.values[i])) return no_number(name, static_cast<int64_t>(i / std::max<uint64_t>(1, width)) + 1, "", array.values[i]);
  Sample sample;
  if (array.shape.size() == 1) {
    sample.kind = SampleKind::kNumbers;
    sample.numbers = array.values;
    return sample;
  }
  sample.kind = SampleKind::kVectors;
  sample.vectors = {std::vector<float>(array.values.begin(), array.values.end()), array.shape[0], array.shape[1]};
  return sample;
}

Result<Sample> read_lines(const fs::path& path, const std::string& name) {
  LLMOPS_ASSIGN(auto source, open_byte_source(path, name));
  LineReader lines(std::move(source));
  Sample sample;
  std::string_view line;
  while (true) {
    LLMOPS_ASSIGN(const bool more, lines.next(line));
    if (!more) return sample;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    sample.texts.emplace_back(line);
  }
}

class RowSample {
 public:
  RowSample(std::string name, const SampleColumns& columns) : name_(std::move(name)), columns_(columns) {}

  Status add(const DatasetRow& row) {
    if (rows_ == 0) LLMOPS_CHECK(choose(row.value));
    ++rows_;
    if (!columns_.context.empty()) {
      LLMOPS_ASSIGN(const Json* context, at(row, columns_.context));
      sample_.contexts.push_back(json_to_text(*context));
    }
    if (fields_.size() > 1) return add_vector(row);
    LLMOPS_ASSIGN(const Json* value, at(row, fields_[0]));
    if (value->is_array()) return add_array(row, *value);
    if (!sample_.vectors.values.empty()) return Error(ErrorCode::kData, fmt::format("'{}' holds no vector in row {}", name_, row.number), "give rows of one kind");
    const auto number = number_of(*value);
    if (number && !std::isfinite(*number)) return no_number(name_, row.number, fields_[0], *number);
    all_numbers_ = all_numbers_ && number.has_value();
    sample_.numbers.push_back(number.value_or(0));
    sample_.texts.push_back(json_to_text(*value));
    return {};
  }

  Result<Sample> take() {
    if (rows_ == 0) return Error(ErrorCode::kData, fmt::format("'{}' holds no rows", name_), "give a file with a row for each item");
    if (!sample_.vectors.values.empty()) {
      sample_.kind = SampleKind::kVectors;
      sample_.vectors.rows = rows_;
    } else {
      sample_.kind = all_numbers_ ? SampleKind::kNumbers : SampleKind::kTexts;
      if (!all_numbers_) sample_.numbers.clear();
    }
    return std::move(sample_);
  }

 private:
  // The columns of the first row stand for those of all.
  Status choose(const Json& first) {
    std::vector<std::string> names;
    for (const auto& [name, value] : first.items()) if (name != columns_.context) names.push_back(name);
    if (!columns_.field.empty()) {
      if (!first.contains(columns_.field)) return Error(ErrorCode::kData, fmt::format("'{}' has no column '{}'", name_, columns_.field), did_you_mean(columns_.field, names));
      fields_ = {columns_.field};
      return {};
    }
    if (names.size() == 1) fields_ = names;
    for (const char* name : kTextFields) if (fields_.empty() && first.contains(name)) fields_ = {name};
    if (!fields_.empty()) return {};
    if (!names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& name) { return number_of(first[name]).has_value(); })) {
      fields_ = names;
      return {};
    }
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    return Error(ErrorCode::kUsage, fmt::format("'{}' has several columns: {}", name_, list), "name the one to test: --field COLUMN");
  }

  Result<const Json*> at(const DatasetRow& row, const std::string& column) const {
    const auto found = row.value.find(column);
    if (found == row.value.end() || found->is_null()) return Error(ErrorCode::kData, fmt::format("row {} of '{}' has no '{}'", row.number, name_, column), "leave such rows out").at({name_, row.line, 1, 1, {}});
    return &*found;
  }

  Status add_vector(const DatasetRow& row) {
    for (const std::string& field : fields_) {
      LLMOPS_ASSIGN(const Json* value, at(row, field));
      const auto number = number_of(*value);
      if (!number) return Error(ErrorCode::kData, fmt::format("row {} of '{}' holds no number in '{}'", row.number, name_, field), "name the column to test: --field COLUMN").at({name_, row.line, 1, 1, {}});
      if (!std::isfinite(*number)) return no_number(name_, row.number, field, *number);
      sample_.vectors.values.push_back(static_cast<float>(*number));
    }
    sample_.vectors.dimensions = fields_.size();
    return {};
  }

  Status add_array(const DatasetRow& row, const Json& array) {
    if (rows_ > 1 && sample_.vectors.dimensions != array.size()) return Error(ErrorCode::kData, fmt::format("row {} of '{}' has a vector of {} values, and the first has {}", row.number, name_, array.size(), sample_.vectors.dimensions), "make all by one embedder");
    sample_.vectors.dimensions = array.size();
    for (const Json& one : array) {
      if (!one.is_number()) return Error(ErrorCode::kData, fmt::format("row {} of '{}' holds a vector with what is no number", row.number, name_));
      sample_.vectors.values.push_back(one.get<float>());
    }
    return {};
  }

  std::string name_;
  const SampleColumns& columns_;
  std::vector<std::string> fields_;
  Sample sample_;
  size_t rows_ = 0;
  bool all_numbers_ = true;
};

}  // namespace

Result<Sample> read_sample(const fs::path& path, const std::string& shown_name, const SampleColumns& columns) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return Error(ErrorCode::kNotFound, fmt::format("file '{}' does not exist", shown_name), "check the path");
  if (path.extension() == ".npy") return read_array(path, shown_name);
  if (!names_rows(shown_name)) return read_lines(path, shown_name);
  LLMOPS_ASSIGN(const auto reader, open_dataset(path, shown_name));
  RowSample sample(shown_name, columns);
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) return sample.take();
    LLMOPS_CHECK(sample.add(row));
  }
}

void as_texts(Sample& sample) {
  if (sample.kind != SampleKind::kNumbers) return;
  if (sample.texts.size() != sample.numbers.size()) for (const double number : sample.numbers) sample.texts.push_back(fmt::format("{}", number));
  sample.kind = SampleKind::kTexts;
}

}  // namespace llmops
