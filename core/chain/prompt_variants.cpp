#include "core/chain/prompt_variants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace llmops {
namespace {

struct SpaceName { SpaceChange change; const char* name; };
constexpr std::array<SpaceName, 5> kSpaceNames{{{SpaceChange::kEnd, "end"}, {SpaceChange::kStart, "start"}, {SpaceChange::kLines, "lines"}, {SpaceChange::kColon, "colon"}, {SpaceChange::kSentence, "sentences"}}};
constexpr int kShuffles = 3;

// Literal text and tags of a template in turn, the literal first.
std::vector<std::string_view> split_tags(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t literal = 0;
  for (size_t i = 0; i + 1 < text.size();) {
    const char kind = text[i + 1];
    if (text[i] != '{' || (kind != '{' && kind != '%' && kind != '#')) { ++i; continue; }
    const char closing = kind == '{' ? '}' : kind;
    char quote = 0;
    size_t end = i + 2;
    for (; end < text.size(); ++end) {
      const char c = text[end];
      if (quote != 0) {
        if (c == '\\') ++end;
        else if (c == quote) quote = 0;
      } else if (kind != '#' && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == closing && end + 1 < text.size() && text[end + 1] == '}') {
        end += 2;
        break;
      }
    }
    end = std::min(end, text.size());
    pieces.push_back(text.substr(literal, i - literal));
    pieces.push_back(text.substr(i, end - i));
    literal = i = end;
  }
  pieces.push_back(text.substr(literal));
  return pieces;
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80; }

std::string change_literal(std::string_view text, SpaceChange change) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool is_alone = text[i] == '\n' && (i == 0 || text[i - 1] != '\n') && (i + 1 == text.size() || text[i + 1] != '\n');
    if (change == SpaceChange::kLines && is_alone) out += '\n';
    const bool before_space = i + 1 < text.size() && text[i + 1] == ' ' && (i + 2 == text.size() || text[i + 2] != ' ');
    if (change == SpaceChange::kColon && text[i] == ':' && i > 0 && is_word(text[i - 1]) && before_space) {
      out += '\n';
      ++i;
    }
    if (change == SpaceChange::kSentence && (text[i] == '.' || text[i] == '?' || text[i] == '!') && before_space) out += ' ';
  }
  return out;
}

Error refuse(const std::string& step, std::string why, std::string hint) {
  return Error(ErrorCode::kUsage, fmt::format("step '{}' has no such variants: {}", step, why), std::move(hint));
}

class Variants {
 public:
  Variants(const Chain& chain, const std::string& step_id) : chain_(chain), id_(step_id) {}

  Result<std::vector<PromptVariant>> make(const std::vector<std::string>& wanted) {
    LLMOPS_CHECK(find_body());
    variants_.push_back({"as written", {}});
    for (const std::string& one : wanted) {
      if (one == "space") LLMOPS_CHECK(add_space());
      else if (one == "order") LLMOPS_CHECK(add_orders());
      else LLMOPS_CHECK(add_paraphrase(one));
    }
    return std::move(variants_);
  }

 private:
  // The mapping that holds the prompt: the step's own, or its agent's.
  Status find_body() {
    std::vector<std::string> ids;
    for (const StepSpec& step : chain_.steps) ids.push_back(step.id);
    const StepSpec* step = chain_.find_step(id_);
    if (step == nullptr) return Error(ErrorCode::kUsage, fmt::format("there is no step '{}'", id_), did_you_mean(id_, ids));
    const bool is_agent = std::holds_alternative<AgentStep>(step->body);
    if (!is_agent && !std::holds_alternative<ModelStep>(step->body)) return refuse(id_, fmt::format("it is of kind {} and has no prompt", step->kind_name()), "name a step that asks a model");
    body_ = is_agent ? step->definition["agent"] : step->definition;
    path_ = "steps." + id_ + (is_agent ? ".agent." : ".");
    return {};
  }

  Result<std::string> file_text(const std::string& path) const {
    LLMOPS_ASSIGN(const fs::path file, resolve_inside(chain_.root, chain_.directory, path));
    auto bytes = read_file(file, uint64_t{4} << 20);
    if (!bytes && bytes.error().code == ErrorCode::kNotFound) return refuse(id_, fmt::format("file '{}' does not exist", path), "paths are relative to the chain file");
    if (!bytes) return std::move(bytes).error();
    return normalize_text(*bytes);
  }

  // The template of a message, wherever it is written; none for a history.
  Result<std::optional<std::string>> message_text(const Json& message) const {
    if (message.contains("content")) return std::optional(message["content"].get<std::string>());
    std::string path;
    if (message.contains("file")) path = message["file"].get<std::string>();
    else if (message.contains("asset")) path = chain_.assets.at(message["asset"].get<std::string>()).files[0].path;
    else return std::optional<std::string>();
    LLMOPS_ASSIGN(std::string text, file_text(path));
    return std::optional(std::move(text));
  }

  Status add_space() {
    const size_t before = variants_.size();
    for (const auto& [change, name] : kSpaceNames) {
      const std::string label = fmt::format("space: {}", name);
      if (body_.contains("prompt")) {
        const std::string text = body_["prompt"].get<std::string>(), changed = change_space(text, change);
        if (changed != text) variants_.push_back({label, {{path_ + "prompt", changed}}});
        continue;
      }
      Json messages = Json::array();
      bool any = false;
      for (const Json& message : body_["messages"]) {
        LLMOPS_ASSIGN(const auto text, message_text(message));
        const std::string changed = text ? change_space(*text, change) : "";
        const bool is_same = !text || changed == *text;
        messages.push_back(is_same ? message : Json{{"role", message["role"]}, {"content", changed}});
        any = any || !is_same;
      }
      if (any) variants_.push_back({label, {{path_ + "messages", std::move(messages)}}});
    }
    if (variants_.size() == before) return refuse(id_, "no change of white space changes its prompt", "give a paraphrase");
    return {};
  }

  Status add_orders() {
    const auto shots = body_.find("few_shot");
    if (shots == body_.end() || shots->value("k", 3) < 2) return refuse(id_, "it shows no two examples that could change places", "leave out 'order', or add few_shot");
    variants_.push_back({"order: reversed", {{path_ + "few_shot.order", "reversed"}}});
    for (int shuffle = 1; shuffle <= kShuffles; ++shuffle) variants_.push_back({fmt::format("order: shuffle {}", shuffle), {{path_ + "few_shot.order", shuffle}}});
    return {};
  }

  Status add_paraphrase(const std::string& wanted) {
    const size_t colon = wanted.find(':');
    const std::string role = colon == std::string::npos ? "user" : wanted.substr(0, colon), path = colon == std::string::npos ? wanted : wanted.substr(colon + 1);
    LLMOPS_ASSIGN(std::string text, file_text(path));
    if (body_.contains("prompt")) {
      if (role != "user") return refuse(id_, fmt::format("its prompt is one user message, and '{}' is of role '{}'", path, role), "name the path alone");
      variants_.push_back({wanted, {{path_ + "prompt", std::move(text)}}});
      return {};
    }
    Json messages = body_["messages"];
    for (size_t i = messages.size(); i > 0; --i) {
      if (messages[i - 1].value("role", "") != role) continue;
      messages[i - 1] = {{"role", role}, {"file", path}};
      variants_.push_back({wanted, {{path_ + "messages", std::move(messages)}}});
      return {};
    }
    return refuse(id_, fmt::format("it has no message of role '{}'", role), "write ROLE:PATH with a role that it has");
  }

  const Chain& chain_;
  std::string id_, path_;
  Json body_;
  std::vector<PromptVariant> variants_;
};

}  // namespace

std::string change_space(std::string_view text, SpaceChange change) {
  // The last line break of a template is not rendered, so that one more is written as an expression.
  constexpr std::string_view kBreak = "{{ \"\\n\" }}";
  if (change == SpaceChange::kStart) return "\n" + std::string(text);
  if (change == SpaceChange::kEnd) return text.ends_with("\n\n") ? std::string(text.substr(0, text.find_last_not_of('\n') + 1)) : std::string(text).append(kBreak);
  std::string out;
  const auto pieces = split_tags(text);
  for (size_t i = 0; i < pieces.size(); ++i) out += i % 2 == 0 ? change_literal(pieces[i], change) : std::string(pieces[i]);
  return out;
}

Result<std::vector<PromptVariant>> prompt_variants(const Chain& chain, const std::string& step_id, const std::vector<std::string>& wanted) { return Variants(chain, step_id).make(wanted); }

}  // namespace llmops
