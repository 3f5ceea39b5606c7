// One row as its file wrote it: fields that point into the row's bytes. Nothing is copied but names with escapes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmops {

enum class ValueType : uint8_t { kNull, kBool, kNumber, kText, kList, kObject };
constexpr size_t kValueTypes = 6;
// "null", "bool", "number", "text", "list", "object"
std::string_view value_type_name(ValueType type);

// How text is written in the row's bytes.
enum class TextCode : uint8_t { kPlain, kJson, kCsv, kTsv };

struct Field {
  std::string_view name;
  std::string_view raw;             // text: without its quotes; else the JSON value
  ValueType type = ValueType::kText;
  TextCode code = TextCode::kPlain;  // kPlain: raw is the text
};

// Why bytes are no row. The column counts bytes from 1.
struct RowFault { std::string message; int64_t line_offset = 0; int column = 0; };

struct Row {
  std::vector<Field> fields;
  std::deque<std::string> owned_names;
  struct OpenName { std::string_view raw; bool escaped; };
  std::vector<OpenName> open_names;  // of the objects that the JSON scanner is in: kept for the next row
  const Field* find(std::string_view name) const;
  void clear() {
    fields.clear();
    if (!owned_names.empty()) owned_names.clear();
  }
};

// The text of a field; JSON values that are no text as they are written. The view points into the row or into `scratch`.
std::string_view field_text(const Field& field, std::string& scratch);
// Empty, or nothing but white space; null and "" and [] and {} as well.
bool is_blank(const Field& field);

// Splits one CSV record (RFC 4180, without its line end) or one TSV line. Precondition for CSV: the record's quotes are
// sound (RecordSource has seen to that). Faults: another number of fields than `header`, an unknown TSV escape.
std::optional<RowFault> split_csv(std::string_view record, const std::vector<std::string>& header, Row& row);
std::optional<RowFault> split_tsv(std::string_view record, const std::vector<std::string>& header, Row& row);

}  // namespace llmops
