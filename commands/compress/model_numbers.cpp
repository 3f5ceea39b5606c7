#include "commands/compress/model_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "commands/compress/quantize.h"

namespace llmops {
namespace {

constexpr const char* kKeptConfig = "llmops.source.file.config.json";

struct NumberNames { const char* config; std::array<const char*, 2> keys; };
constexpr std::array<NumberNames, 5> kNames{{{"num_hidden_layers", {"block_count", nullptr}}, {"num_attention_heads", {"attention.head_count", nullptr}}, {"num_key_value_heads", {"attention.head_count_kv", nullptr}},
    {"head_dim", {"attention.key_length", "attention.value_length"}}, {"intermediate_size", {"feed_forward_length", nullptr}}}};

const GgufEntry* entry_of(const WeightsPlan& plan, const std::string& key) {
  const auto found = std::find_if(plan.entries.begin(), plan.entries.end(), [&](const GgufEntry& entry) { return entry.key == key; });
  return found == plan.entries.end() ? nullptr : &*found;
}

// Without the elements of an array of numbers that `dropped` names.
void drop_elements(GgufEntry& entry, const std::vector<uint64_t>& dropped) {
  const size_t size = entry.bytes.size() / entry.count;
  std::string kept;
  uint64_t count = 0;
  for (uint64_t i = 0; i < entry.count; ++i) {
    if (std::binary_search(dropped.begin(), dropped.end(), i)) continue;
    kept += entry.bytes.substr(i * size, size);
    ++count;
  }
  entry.bytes = std::move(kept);
  entry.count = count;
}

// Lists of config.json with an entry for each layer: "layer_types", and numbers that may differ from layer to layer. Not "eos_token_id", whatever its length.
bool is_by_layer(const std::string& key) {
  constexpr std::array<std::string_view, 3> kPieces{"layer", "block", "pattern"};
  return std::any_of(kPieces.begin(), kPieces.end(), [&](std::string_view piece) { return key.find(piece) != std::string::npos; }) ||
         std::any_of(kNames.begin(), kNames.end(), [&](const NumberNames& names) { return key == names.config; });
}

}  // namespace

std::string* ModelNumbers::config_text() const {
  for (auto& [name, content] : plan_.files) if (name == "config.json") return &content;
  for (GgufEntry& entry : plan_.entries) if (entry.key == kKeptConfig) return &entry.bytes;
  return nullptr;
}

Result<Json> ModelNumbers::config() const {
  const std::string* text = config_text();
  if (text == nullptr) return Json();
  return parse_json(*text, "config.json");
}

std::string ModelNumbers::architecture() const {
  if (const GgufEntry* entry = entry_of(plan_, "general.architecture")) return entry->text().value_or("");
  const auto json = config();
  return json && json->is_object() && json->contains("model_type") && (*json)["model_type"].is_string() ? (*json)["model_type"].get<std::string>() : "";
}

uint64_t ModelNumbers::get(ModelNumber number) const {
  const NumberNames& names = kNames[static_cast<size_t>(number)];
  if (plan_.format == "gguf") {
    const GgufEntry* entry = entry_of(plan_, fmt::format("{}.{}", architecture(), names.keys[0]));
    if (entry != nullptr) return entry->whole().value_or(0);
  }
  const auto json = config();
  const auto found = json && json->is_object() ? json->find(names.config) : Json::const_iterator();
  return json && json->is_object() && found != json->end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

Status ModelNumbers::set(ModelNumber number, uint64_t value) {
  const NumberNames& names = kNames[static_cast<size_t>(number)];
  if (plan_.format == "gguf") {
    for (const char* key : names.keys) if (key != nullptr) set_entry(plan_.entries, gguf_u32(fmt::format("{}.{}", architecture(), key), static_cast<uint32_t>(value)));
  }
  std::string* text = config_text();
  if (text == nullptr) return {};
  LLMOPS_ASSIGN(Json json, config());
  json[names.config] = value;
  *text = dump_json_pretty(json) + "\n";
  return {};
}

Status ModelNumbers::drop_layers(const std::vector<uint64_t>& dropped, uint64_t layers) {
  for (GgufEntry& entry : plan_.entries) {
    if (entry.kind == GgufKind::kArray && entry.element != GgufKind::kText && entry.count == layers && entry.key.starts_with(architecture() + ".")) drop_elements(entry, dropped);
  }
  std::string* text = config_text();
  if (text == nullptr) return {};
  LLMOPS_ASSIGN(Json json, config());
  for (auto& [key, value] : json.items()) {
    if (!value.is_array() || value.size() != layers || !is_by_layer(key)) continue;
    Json kept = Json::array();
    for (uint64_t i = 0; i < layers; ++i) if (!std::binary_search(dropped.begin(), dropped.end(), i)) kept.push_back(value[i]);
    value = std::move(kept);
  }
  *text = dump_json_pretty(json) + "\n";
  return {};
}

}  // namespace llmops
