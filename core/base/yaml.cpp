// YAML through yaml-cpp's event parser. Its node tree is not used: it takes the first of two equal keys in silence, loads
// alias bombs and cycles, and resolves scalars by YAML 1.1 (`no` would be false).
#include "core/base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <sstream>
#include <unordered_set>

namespace llmops {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxBytes = size_t{4} << 20;

struct Refusal {
  YAML::Mark mark;
  std::string message, hint;
};

constexpr const char* kFlatten = "nest less deeply";

// What to do about the library's words for broken YAML. The first row whose words occur in the message counts.
struct Remedy { std::string_view words, hint; };
constexpr Remedy kRemedies[] = {
    {"illegal map value", "indent keys of one mapping alike, and put a text that holds ': ' in quotes"},
    {"illegal tab", "indent with spaces, not with tabs"},
    {"end of map flow", "close the '{' with '}', and put a text that holds ',', ']' or '}' in quotes"},
    {"end of sequence flow", "close the '[' with ']', and put a text that holds ',', ']' or '}' in quotes"},
    {"illegal flow end", "remove the bracket, or open it first"},
    {"end of map not found", "indent keys of one mapping alike, and close every quote before this place"},
    {"end of sequence not found", "indent the items of one list alike"},
    {"illegal block entry", "begin a list on a line of its own"},
    {"illegal map key", "begin a mapping on a line of its own"},
    {"unknown token", "put a text that begins with '@', '`' or '%' in quotes"},
    {"in block scalar", "begin the text on the line after '|' or '>'"},
    {"in scalar", "close the quote"},
    {"escape", "double the backslash, or use single quotes"},
    {"hex number", "double the backslash, or use single quotes"},
    {"invalid unicode", "double the backslash, or use single quotes"},
    {"anchor", "put a text that begins with '&' in quotes; anchors are not allowed"},
    {"alias", "put a text that begins with '*' in quotes; aliases are not allowed"},
    {"tag", "put a text that begins with '!' in quotes; tags are not allowed"},
    {"directive", "put a text that begins with '%' in quotes"},
};

std::string remedy_for(std::string_view message) {
  for (const Remedy& row : kRemedies) if (message.find(row.words) != std::string_view::npos) return std::string(row.hint);
  return "look at the indentation, quotes and brackets before this place";
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const auto word : words) if (text == word) return true;
  return false;
}

bool looks_like_number(std::string_view t) {
  // Core schema: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
  size_t i = 0;
  const auto digits = [&] { const size_t from = i; while (i < t.size() && t[i] >= '0' && t[i] <= '9') ++i; return i - from; };
  if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
  const size_t whole = digits();
  size_t fraction = 0;
  if (i < t.size() && t[i] == '.') { ++i; fraction = digits(); }
  if (whole + fraction == 0) return false;
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && (t[i] == '-' || t[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == t.size();
}

Json resolve_plain_scalar(const std::string& text, const YAML::Mark& mark) {
  if (text.empty() || is_one_of(text, {"~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE"})) return false;
  const auto based = [&](int base) -> Json {
    uint64_t value = 0;
    const auto parsed = std::from_chars(text.data() + 2, text.data() + text.size(), value, base);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return value;
    return text;
  };
  if (text.size() > 2 && text[0] == '0' && text[1] == 'x') return based(16);
  if (text.size() > 2 && text[0] == '0' && text[1] == 'o') return based(8);
  if (is_one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"}))
    throw Refusal{mark, "'" + text + "' is not a number that JSON can hold", "write it in quotes if text is meant"};
  if (!looks_like_number(text)) return text;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  if (text.find_first_of(".eE") == std::string::npos) {
    int64_t whole = 0;
    if (std::from_chars(begin, end, whole).ec == std::errc()) return whole;
  }
  double number = 0;
  const auto parsed = std::from_chars(begin, end, number);
  if (parsed.ec != std::errc() || !std::isfinite(number)) throw Refusal{mark, "number '" + text + "' is out of range", "write it in quotes if text is meant"};
  return number;
}

struct Marks { int line, column, length; };

class TreeBuilder : public YAML::EventHandler {
 public:
  Json root;
  bool has_root = false;
  YAML::Mark document_mark;
  std::map<std::string, Marks, std::less<>> values, keys;

  void OnDocumentStart(const YAML::Mark& mark) override { document_mark = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, anchor, nullptr, 1); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{mark, "aliases are not allowed", "write the value out where it is needed"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    refuse_tag(mark, tag);
    const bool quoted = tag == "!";
    const int length = static_cast<int>(std::min<size_t>(text.find('\n') == std::string::npos ? text.size() : 1, 200)) + (quoted ? 2 : 0);
    if (expects_key()) {
      if (anchor != 0) refuse_anchor(mark);
      start_entry(mark, text, length);
      return;
    }
    add(mark, anchor, quoted ? Json(text) : resolve_plain_scalar(text, mark), std::max(1, length));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { levels_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(mark, anchor, Json::object());
  }
  void OnMapEnd() override { levels_.pop_back(); }

 private:
  struct Level {
    Json* container;
    std::string pointer;
    bool has_key = false;
    std::string key;
    std::unordered_set<std::string> keys;  // of a mapping with many: the container looks keys up one after another
  };

  static void refuse_anchor(const YAML::Mark& mark) {
    throw Refusal{mark, "anchors are not allowed", "write the value out where it is needed"};
  }
  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") throw Refusal{mark, "tag '" + tag + "' is not allowed", "remove the tag"};
  }
  bool expects_key() const { return !levels_.empty() && levels_.back().container->is_object() && !levels_.back().has_key; }

  static bool is_duplicate(Level& level, const std::string& key) {
    constexpr size_t kManyKeys = 16;
    auto& object = level.container->get_ref<Json::object_t&>();
    if (object.size() < kManyKeys) return level.container->contains(key);
    if (level.keys.empty()) for (const auto& entry : object) level.keys.insert(entry.first);
    return !level.keys.insert(key).second;
  }
  void start_entry(const YAML::Mark& mark, const std::string& key, int length) {
    Level& level = levels_.back();
    if (is_duplicate(level, key)) throw Refusal{mark, "duplicate key '" + key + "'", "remove one of the two"};
    level.has_key = true;
    level.key = key;
    keys.insert_or_assign(json_pointer_append(level.pointer, key), Marks{mark.line + 1, mark.column + 1, std::max(1, length)});
  }
  std::pair<Json*, std::string> place(const YAML::Mark& mark, Json&& value, int length) {
    std::string pointer;
    Json* placed = nullptr;
    if (levels_.empty()) {
      root = std::move(value);
      has_root = true;
      placed = &root;
    } else {
      Level& level = levels_.back();
      if (level.container->is_array()) {
        pointer = json_pointer_append(level.pointer, level.container->size());
        level.container->push_back(std::move(value));
        placed = &level.container->back();
      } else {
        if (!level.has_key) throw Refusal{mark, "a key must be a plain text", "write `key: value`"};
        pointer = json_pointer_append(level.pointer, level.key);
        // The key is known to be new: the object's own insertion would compare it with all before.
        auto& members = static_cast<Json::object_t::Container&>(level.container->get_ref<Json::object_t&>());
        placed = &members.emplace_back(std::move(level.key), std::move(value)).second;
        level.has_key = false;
      }
    }
    values.insert_or_assign(pointer, Marks{mark.line + 1, mark.column + 1, length});
    return {placed, pointer};
  }
  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, int length) {
    if (anchor != 0) refuse_anchor(mark);
    if (expects_key()) throw Refusal{mark, "a key is missing", "write `key: value`"};
    place(mark, std::move(value), length);
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Json container) {
    if (anchor != 0) refuse_anchor(mark);
    if (expects_key()) throw Refusal{mark, "a key must be a plain text", "put a value that begins with '{' in quotes"};
    if (static_cast<int>(levels_.size()) >= kMaxDepth) throw Refusal{mark, fmt::format("nesting is deeper than {}", kMaxDepth), kFlatten};
    auto [placed, pointer] = place(mark, std::move(container), 1);
    levels_.push_back({placed, pointer, false, {}, {}});
  }

  std::vector<Level> levels_;
};

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (true) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.emplace_back(line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

SourcePlace YamlDocument::place(const Mark& mark) const {
  SourcePlace place{file_, mark.line, mark.column, mark.length, {}};
  if (mark.line < 1 || static_cast<size_t>(mark.line) > lines_.size()) return place;
  place.line_text = lines_[static_cast<size_t>(mark.line) - 1];
  return place;
}

SourcePlace YamlDocument::place_of(std::string_view pointer) const {
  while (true) {
    if (const auto found = values_.find(pointer); found != values_.end()) return place(found->second);
    const size_t slash = pointer.rfind('/');
    if (slash == std::string_view::npos) return {file_, 0, 0, 1, {}};
    pointer = pointer.substr(0, slash);
  }
}

SourcePlace YamlDocument::key_place_of(std::string_view pointer) const {
  if (const auto found = keys_.find(pointer); found != keys_.end()) return place(found->second);
  return place_of(pointer);
}

Error YamlDocument::error_at(std::string_view pointer, std::string message, std::string hint) const {
  return Error(ErrorCode::kConfig, std::move(message), std::move(hint)).at(place_of(pointer));
}

Error YamlDocument::error_at_key(std::string_view pointer, std::string message, std::string hint) const {
  return Error(ErrorCode::kConfig, std::move(message), std::move(hint)).at(key_place_of(pointer));
}

std::string json_pointer_append(std::string_view pointer, std::string_view key) {
  std::string out(pointer);
  out += '/';
  for (const char c : key) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

std::string json_pointer_append(std::string_view pointer, size_t index) { return fmt::format("{}/{}", pointer, index); }

Result<YamlDocument> parse_yaml(std::string_view text, std::string file) {
  YamlDocument document;
  document.file_ = std::move(file);
  if (text.size() > kMaxBytes) return Error(ErrorCode::kConfig, "'" + document.file_ + "' is larger than 4 MiB", "move data into a dataset file");
  document.lines_ = split_lines(text);
  const auto refuse_byte = [&](size_t offset, std::string message) {
    const std::string_view before = text.substr(0, offset);
    const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return Error(ErrorCode::kConfig, std::move(message), "save the file as UTF-8")
        .at({document.file_, static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1, static_cast<int>(offset - start) + 1, 1, {}});
  };
  if (const auto bad = find_invalid_utf8(text)) return refuse_byte(*bad, "text is not valid UTF-8");
  // The library would take ASCII with NUL bytes for UTF-16.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) return refuse_byte(nul, "text holds a NUL byte");
  // A document that is strict JSON keeps JSON's own reading of escapes and numbers, and is accepted where the YAML reader
  // knows less; the places of its values are then those that the YAML reader found.
  std::optional<Json> strict;
  if (const size_t first = text.find_first_not_of(" \t\r\n"); first != std::string_view::npos && (text[first] == '{' || text[first] == '[')) {
    if (auto parsed = parse_json(text, document.file_, 1, {.max_depth = kMaxDepth}); parsed) strict = std::move(*parsed);
  }
  const auto refuse = [&](const YAML::Mark& mark, std::string message, std::string hint) {
    return Error(ErrorCode::kConfig, std::move(message), std::move(hint)).at(document.place({mark.line + 1, mark.column + 1, 1}));
  };
  // The library's scanner takes quadratic time over a long run of open brackets, so a text that is all openers is refused unread.
  const auto count = [&](char c) { return std::count(text.begin(), text.end(), c); };
  constexpr std::ptrdiff_t kHopelesslyOpen = 4096;
  if (!strict && (count('[') - count(']') > kHopelesslyOpen || count('{') - count('}') > kHopelesslyOpen)) {
    return Error(ErrorCode::kConfig, fmt::format("nesting is deeper than {}", kMaxDepth), kFlatten).at({document.file_, 1, 1, 1, {}});
  }
  TreeBuilder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    const bool any = parser.HandleNextDocument(builder);
    if (!any || !builder.has_root || builder.root.is_null())
      return Error(ErrorCode::kConfig, "'" + document.file_ + "' is empty", "run `llmops init` for an example").at({document.file_, 1, 1, 1, {}});
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest)) return refuse(rest.document_mark, "more than one YAML document in '" + document.file_ + "'", "keep one document per file");
  } catch (const Refusal& refusal) {
    // Strict JSON breaks none of the rules; the library sees no key in one of more than 1024 bytes, for one.
    if (!strict) return refuse(refusal.mark, refusal.message, refusal.hint);
  } catch (const YAML::DeepRecursion& error) {
    if (!strict) return refuse(error.mark, fmt::format("nesting is deeper than {}", kMaxDepth), kFlatten);
  } catch (const YAML::Exception& error) {
    if (!strict) return refuse(error.mark, "malformed YAML: " + error.msg, remedy_for(error.msg));
  }
  document.value_ = strict ? std::move(*strict) : std::move(builder.root);
  for (auto& [pointer, mark] : builder.values) document.values_.emplace(pointer, YamlDocument::Mark{mark.line, mark.column, mark.length});
  for (auto& [pointer, mark] : builder.keys) document.keys_.emplace(pointer, YamlDocument::Mark{mark.line, mark.column, mark.length});
  return document;
}

}  // namespace llmops
