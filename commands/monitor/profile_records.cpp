#include "commands/monitor/profile_records.h"

#include "commands/monitor/window.h"

namespace llmops {

Status ProfiledRecords::add(const StoredRecord& record) {
  const bool is_hashed = record.input && record.input->starts_with("{\"sha256\":");
  return add(record, record.input && !is_hashed ? std::optional<std::string_view>(*record.input) : std::nullopt);
}

Status ProfiledRecords::add(const StoredRecord& record, std::optional<std::string_view> text) {
  stratum_.clear();
  if (!profile_.spec().strata.empty()) {
    Json values = Json::object();
    for (const std::string& field : profile_.spec().strata) {
      const auto value = stratum_of(record, field);
      values[field] = value ? Json(*value) : Json(nullptr);
    }
    stratum_ = dump_json(values);
  }
  identity_ = record.trace;
  identity_ += '\n';
  identity_ += record.span;
  identity_ += '\n';
  identity_ += record.component;
  ProfileRecord taken;
  taken.start_ms = record.start_ms;
  taken.component = record.component;
  taken.stratum = stratum_;
  taken.identity = identity_;
  taken.text = text;
  if (record.session) taken.session = *record.session;
  taken.is_error = record.error.has_value();
  taken.is_empty = record.is_empty;
  taken.is_refusal = record.is_refusal;
  taken.is_cut_off = record.is_cut_off;
  taken.is_malformed_json = record.is_malformed_json;
  taken.input_tokens = record.input_tokens;
  taken.output_tokens = record.output_tokens;
  taken.output_bytes = record.output_bytes;
  taken.latency_ms = record.latency_ms;
  taken.ttft_ms = record.ttft_ms;
  taken.cost_usd = record.cost_usd;
  return profile_.add(taken);
}

}  // namespace llmops
