// The normalizers, pre_tokenizers and decoders of a tokenizer.json as flat lists of steps.
#include <algorithm>

#include "core/base/base64.h"
#include "core/format/tokenizer_parts.h"

namespace llmops::tokenizer_files {
namespace {

class StepReader {
 public:
  StepReader(Vocabulary& made, const std::string& name) : made_(made), name_(name) {}

  // Calls one(step) for each step below `root`, those of sequences in their order.
  template <class One>
  Status each(const Json& root, const char* part, const char* list, One&& one) {
    if (root.is_null()) return {};
    if (!root.is_object() || !root.contains("type") || !root["type"].is_string()) return fault(name_, "has a {} without a type", part);
    if (++steps_ > kMaxSteps) return fault(name_, "has more than {} steps", kMaxSteps);
    const std::string type = root["type"].get<std::string>();
    if (type != "Sequence") return one(root, type);
    if (!root.contains(list) || !root[list].is_array()) return fault(name_, "has a {} of type Sequence without {}", part, list);
    for (const Json& step : root[list]) LLMOPS_CHECK(each(step, part, list, one));
    return {};
  }

  Status normalizer(const Json& step, const std::string& type) {
    static const std::unordered_map<std::string, NormalizeKind> kPlain = {
        {"NFC", NormalizeKind::kNfc}, {"NFD", NormalizeKind::kNfd}, {"NFKC", NormalizeKind::kNfkc}, {"NFKD", NormalizeKind::kNfkd},
        {"Lowercase", NormalizeKind::kLowercase}, {"StripAccents", NormalizeKind::kStripMarks}, {"Nmt", NormalizeKind::kNmt}};
    NormalizeStep made;
    if (const auto plain = kPlain.find(type); plain != kPlain.end()) {
      made.kind = plain->second;
    } else if (type == "BertNormalizer") {
      const bool lowercase = flag_of(step, "lowercase", true);
      add_bert_steps(made_, flag_of(step, "clean_text", true), flag_of(step, "handle_chinese_chars", true), flag_of(step, "strip_accents", lowercase), lowercase);
      return {};
    } else if (type == "ByteLevel") {
      made_.byte_level = true;
      return {};
    } else if (type == "Strip") {
      made.kind = NormalizeKind::kStrip;
      made.left = flag_of(step, "strip_left", true);
      made.right = flag_of(step, "strip_right", true);
    } else if (type == "Prepend") {
      made.kind = NormalizeKind::kPrepend;
      made.content = text_of(step, "prepend");
    } else if (type == "Replace") {
      bool literal = true;
      LLMOPS_ASSIGN(made.pattern, pattern(step, literal));
      made.kind = literal ? NormalizeKind::kReplace : NormalizeKind::kReplacePattern;
      made.content = text_of(step, "content");
    } else if (type == "Precompiled") {
      const auto bytes = base64_decode(text_of(step, "precompiled_charsmap"));
      if (!bytes) return fault(name_, "has a precompiled_charsmap that is not base64");
      made.kind = NormalizeKind::kCharsmap;
      made.content = *bytes;
      if (bytes->empty()) return {};
    } else {
      return fault(name_, "has a normalizer of the unknown type '{}'", shown(type));
    }
    made_.normalize.push_back(std::move(made));
    return {};
  }

  Status pre_tokenizer(const Json& step, const std::string& type) {
    SplitStep made;
    if (type == "ByteLevel") {
      made.kind = SplitKind::kByteLevel;
      made.prefix_space = flag_of(step, "add_prefix_space", true);
      made.splits = flag_of(step, "use_regex", true);
      made_.byte_level = true;
    } else if (type == "Whitespace") {
      made.kind = SplitKind::kWhitespace;
    } else if (type == "WhitespaceSplit") {
      made.kind = SplitKind::kWhitespaceSplit;
    } else if (type == "BertPreTokenizer") {
      made.kind = SplitKind::kBert;
    } else if (type == "Punctuation") {
      made.kind = SplitKind::kPunctuation;
      LLMOPS_ASSIGN(made.behavior, behavior(step));
    } else if (type == "Digits") {
      made.kind = SplitKind::kDigits;
      made.individual = flag_of(step, "individual_digits", false);
    } else if (type == "CharDelimiterSplit") {
      made.kind = SplitKind::kLiteral;
      made.pattern = text_of(step, "delimiter");
      made.behavior = SplitBehavior::kRemoved;
    } else if (type == "Split") {
      bool literal = true;
      LLMOPS_ASSIGN(made.pattern, pattern(step, literal));
      made.kind = literal ? SplitKind::kLiteral : SplitKind::kPattern;
      LLMOPS_ASSIGN(made.behavior, behavior(step));
      made.invert = flag_of(step, "invert", false);
    } else if (type == "Metaspace") {
      LLMOPS_ASSIGN(made, metaspace(step));
    } else {
      return fault(name_, "has a pre_tokenizer of the unknown type '{}'", shown(type));
    }
    if ((made.kind == SplitKind::kLiteral || made.kind == SplitKind::kPattern) && made.pattern.empty()) return fault(name_, "has a pre_tokenizer {} whose pattern is empty", type);
    made_.split.push_back(std::move(made));
    return {};
  }

  Status decoder(const Json& step, const std::string& type) {
    DecodeStep made;
    if (type == "ByteLevel") {
      made.kind = DecodeKind::kByteLevel;
    } else if (type == "WordPiece") {
      made.kind = DecodeKind::kWordPiece;
      made.pattern = step.contains("prefix") ? text_of(step, "prefix") : "##";
      made.cleanup = flag_of(step, "cleanup", true);
    } else if (type == "BPEDecoder") {
      made.kind = DecodeKind::kSuffix;
      made.pattern = step.contains("suffix") ? text_of(step, "suffix") : "</w>";
    } else if (type == "Metaspace") {
      LLMOPS_ASSIGN(const SplitStep same, metaspace(step));
      made.kind = DecodeKind::kMetaspace;
      made.pattern = same.pattern;
      made.drops_space = same.prepend != PrependScheme::kNever;
    } else if (type == "ByteFallback") {
      made.kind = DecodeKind::kByteFallback;
    } else if (type == "Fuse") {
      made.kind = DecodeKind::kFuse;
    } else if (type == "Strip") {
      made.kind = DecodeKind::kStrip;
      made.content = text_of(step, "content");
      LLMOPS_ASSIGN(made.start, count(step, "start"));
      LLMOPS_ASSIGN(made.stop, count(step, "stop"));
    } else if (type == "Replace") {
      bool literal = true;
      made.kind = DecodeKind::kReplace;
      LLMOPS_ASSIGN(made.pattern, pattern(step, literal));
      if (!literal || made.pattern.empty()) return fault(name_, "has a decoder that replaces the pattern '{}', which is not supported", shown(made.pattern));
      made.content = text_of(step, "content");
      growth_ *= std::max(1.0, static_cast<double>(made.content.size()) / static_cast<double>(made.pattern.size()));
      if (growth_ > kMostTextGrowth) return fault(name_, "has decoders that could make a text more than {} times as long", kMostTextGrowth);
    } else {
      return fault(name_, "has a decoder of the unknown type '{}'", shown(type));
    }
    made_.decode.push_back(std::move(made));
    return {};
  }

 private:
  Result<uint32_t> count(const Json& step, const char* key) const {
    const Json value = step.value(key, Json(0));
    if (!value.is_number_integer() || value < 0 || value > 1'000'000) return fault(name_, "has {} as the {} of a decoder", shown(dump_json(value)), key);
    return value.get<uint32_t>();
  }

  // {"String": ...} or {"Regex": ...}
  Result<std::string> pattern(const Json& step, bool& literal) const {
    const Json value = step.value("pattern", Json());
    literal = value.is_object() && value.contains("String");
    const char* key = literal ? "String" : "Regex";
    if (!value.is_object() || !value.contains(key) || !value[key].is_string()) return fault(name_, "has a {} whose pattern is neither a String nor a Regex", text_of(step, "type"));
    return value[key].get<std::string>();
  }

  Result<SplitBehavior> behavior(const Json& step) const {
    const std::string word = step.contains("behavior") ? text_of(step, "behavior") : "Isolated";
    if (word == "Removed") return SplitBehavior::kRemoved;
    if (word == "Isolated") return SplitBehavior::kIsolated;
    if (word == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
    if (word == "MergedWithNext") return SplitBehavior::kMergedWithNext;
    if (word == "Contiguous") return SplitBehavior::kContiguous;
    return fault(name_, "has a pre_tokenizer of the unknown behavior '{}'", shown(word));
  }

  // Files before version 0.14 say add_prefix_space, later ones prepend_scheme.
  Result<SplitStep> metaspace(const Json& step) const {
    SplitStep made;
    made.kind = SplitKind::kMetaspace;
    made.pattern = step.contains("replacement") ? text_of(step, "replacement") : std::string(kSpaceMark);
    const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    if (std::count_if(made.pattern.begin(), made.pattern.end(), starts) != 1) return fault(name_, "has a Metaspace whose replacement is not one character");
    made.splits = flag_of(step, "split", true);
    const std::string scheme = text_of(step, "prepend_scheme");
    if (scheme == "first") made.prepend = PrependScheme::kFirst;
    else if (scheme == "never") made.prepend = PrependScheme::kNever;
    else if (!scheme.empty() && scheme != "always") return fault(name_, "has a Metaspace of the unknown prepend_scheme '{}'", shown(scheme));
    else if (scheme.empty() && !flag_of(step, "add_prefix_space", true)) made.prepend = PrependScheme::kNever;
    return made;
  }

  Vocabulary& made_;
  const std::string& name_;
  size_t steps_ = 0;
  double growth_ = 1;   // of the decoders: steps that grow a text multiply
};

}  // namespace

Status read_json_steps(const Json& root, Vocabulary& vocabulary, const std::string& name) {
  StepReader reader(vocabulary, name);
  LLMOPS_CHECK(reader.each(root.value("normalizer", Json()), "normalizer", "normalizers", [&](const Json& step, const std::string& type) { return reader.normalizer(step, type); }));
  LLMOPS_CHECK(reader.each(root.value("pre_tokenizer", Json()), "pre_tokenizer", "pretokenizers", [&](const Json& step, const std::string& type) { return reader.pre_tokenizer(step, type); }));
  return reader.each(root.value("decoder", Json()), "decoder", "decoders", [&](const Json& step, const std::string& type) { return reader.decoder(step, type); });
}

}  // namespace llmops::tokenizer_files
