// The steps are those of Hugging Face's tokenizers (https://huggingface.co/docs/tokenizers/api/pre-tokenizers): each step cuts every
// piece that the step before has left.
#include "core/text/token_splitter.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/token_pattern.h"

namespace llmops::text {
namespace {

// No token holds ▁ behind another character, so that no merge and no path crosses the place before a ▁ that starts a word: words can be
// looked at one by one, which gives the same tokens.
bool marks_only_lead(const Vocabulary& vocabulary) {
  bool known = false;
  for (const std::string& token : vocabulary.tokens) {
    size_t lead = 0;
    while (std::string_view(token).substr(lead).starts_with(kSpaceMark)) lead += kSpaceMark.size();
    if (token.find(kSpaceMark, lead) != std::string::npos) return false;
    known = known || token == kSpaceMark;
  }
  return known;
}

std::string in_alphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(out, static_cast<int32_t>(byte_alphabet()[static_cast<unsigned char>(byte)]));
  return out;
}

}  // namespace

Result<TextSplitter> TextSplitter::make(const Vocabulary& vocabulary, const std::string& name) {
  TextSplitter made;
  for (size_t i = 0; i < vocabulary.split.size(); ++i) LLMOPS_CHECK(made.add_step(vocabulary.split[i], i + 1 < vocabulary.split.size(), name));
  const bool plain = vocabulary.model == TokenModel::kBpe || vocabulary.model == TokenModel::kScoredBpe || vocabulary.model == TokenModel::kUnigram;
  if (plain && !vocabulary.byte_level && !vocabulary.raw_bytes && vocabulary.word_suffix.empty() && vocabulary.word_prefix.empty() && !vocabulary.ignore_merges && marks_only_lead(vocabulary)) {
    made.stages_.push_back({.kind = StageKind::kBeforeMark, .step = {}, .rules = {}, .pattern = {}});
  }
  return made;
}

Status TextSplitter::add_pattern(const std::string& pattern, const SplitStep& step, const std::string& name) {
  Stage stage{.kind = StageKind::kPattern, .step = step, .rules = {}, .pattern = {}};
  const bool whole = step.behavior == SplitBehavior::kIsolated || (step.behavior == SplitBehavior::kRemoved && step.invert) || (step.behavior == SplitBehavior::kMergedWithPrevious && step.invert);
  const std::optional<WordRules> rules = rules_of_pattern(pattern, step.kind == SplitKind::kPreset);
  if (rules && whole) {   // every character is in a match, so that what lies between needs no rule
    stage.kind = StageKind::kRules;
    stage.rules = *rules;
  } else {
    LLMOPS_ASSIGN(stage.pattern, TokenPattern::make(pattern, name));
  }
  stages_.push_back(std::move(stage));
  return {};
}

Status TextSplitter::add_step(const SplitStep& step, bool more_follow, const std::string& name) {
  const auto add = [&](StageKind kind) { stages_.push_back({.kind = kind, .step = step, .rules = {}, .pattern = {}}); };
  switch (step.kind) {
    case SplitKind::kPattern: return add_pattern(step.pattern, step, name);
    case SplitKind::kPreset: {
      const std::vector<std::string> patterns = patterns_of_preset(step.pattern);
      if (patterns.empty()) return Error(ErrorCode::kData, fmt::format("'{}' names the pre-tokenizer '{}', which is not known", name, step.pattern), did_you_mean(step.pattern, preset_names()));
      for (const std::string& pattern : patterns) LLMOPS_CHECK(add_pattern(pattern, step, name));
      return {};
    }
    case SplitKind::kByteLevel:
      if (alphabet_) return Error(ErrorCode::kData, fmt::format("'{}' has two ByteLevel steps", name));
      if (step.prefix_space) add(StageKind::kPrefixSpace);
      if (step.splits) LLMOPS_CHECK(add_pattern(patterns_of_preset("gpt-2").front(), {.kind = SplitKind::kPattern, .pattern = {}}, name));
      alphabet_ = more_follow;   // the steps behind see the alphabet, as there
      if (alphabet_) add(StageKind::kAlphabet);
      return {};
    case SplitKind::kMetaspace:
      if (alphabet_) return Error(ErrorCode::kData, fmt::format("'{}' has a Metaspace behind ByteLevel", name));
      // Each puts its character in front of every piece that the one before has cut: the text would grow with the power of their number.
      if (std::any_of(stages_.begin(), stages_.end(), [](const Stage& stage) { return stage.kind == StageKind::kMetaspace; })) return Error(ErrorCode::kData, fmt::format("'{}' has two Metaspace steps", name));
      add(StageKind::kMetaspace);
      return {};
    case SplitKind::kLiteral: add(StageKind::kLiteral); return {};
    case SplitKind::kWhitespace: add(StageKind::kWhitespace); return {};
    case SplitKind::kWhitespaceSplit: add(StageKind::kWhitespaceSplit); return {};
    case SplitKind::kBert: add(StageKind::kBert); return {};
    case SplitKind::kPunctuation: add(StageKind::kPunctuation); return {};
    case SplitKind::kDigits: add(StageKind::kDigits); return {};
  }
  return {};
}

const WordRules* TextSplitter::only_rules() const { return stages_.size() == 1 && stages_[0].kind == StageKind::kRules ? &stages_[0].rules : nullptr; }

void TextSplitter::run(size_t at, std::string_view text, bool first, const Word& word) const {
  if (text.empty()) return;
  if (at == stages_.size()) {
    if (!alphabet_) return word(text);
    return word(bytes_of_token(std::string(text)).value_or(std::string(text)));
  }
  const Stage& stage = stages_[at];
  switch (stage.kind) {
    case StageKind::kRules:
      for (size_t from = 0; from < text.size();) {
        const size_t end = end_of_word(stage.rules, text, from);
        run(at + 1, text.substr(from, end - from), first && from == 0, word);
        from = end;
      }
      return;
    case StageKind::kPrefixSpace:
      if (text.starts_with(' ')) return run(at + 1, text, first, word);
      return run(at + 1, " " + std::string(text), first, word);
    case StageKind::kAlphabet: return run(at + 1, in_alphabet(text), first, word);
    case StageKind::kMetaspace: return run_metaspace(at, text, first, word);
    case StageKind::kBeforeMark: return run_before_mark(at, text, word);
    case StageKind::kWhitespace: case StageKind::kWhitespaceSplit: case StageKind::kBert: return run_classes(at, text, first, word);
    case StageKind::kPattern: case StageKind::kLiteral: case StageKind::kPunctuation: case StageKind::kDigits:
      return run_cuts(at, text, find_cuts(stage, text), first, word);
  }
}

// Whitespace: runs of word characters, and of others that are no white space. Bert: punctuation by itself.
void TextSplitter::run_classes(size_t at, std::string_view text, bool first, const Word& word) const {
  const StageKind kind = stages_[at].kind;
  enum class Group { kNone, kWord, kOther, kAlone };
  size_t start = 0;
  Group open = Group::kNone;
  for (size_t offset = 0; offset <= text.size();) {
    const auto byte = static_cast<unsigned char>(offset < text.size() ? text[offset] : ' ');
    const CodePoint point = byte < 0x80 ? CodePoint{byte, 1, true} : decode_at(text, offset);
    Group group = Group::kWord;
    if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) group = Group::kWord;
    else if (is_white_space(point.value)) group = Group::kNone;
    else if (kind == StageKind::kBert && is_bert_punctuation(point.value)) group = Group::kAlone;
    else if (kind == StageKind::kWhitespace && !is_word_character(point.value)) group = Group::kOther;
    if (group != open || group == Group::kAlone) {
      if (open != Group::kNone && offset > start) run(at + 1, text.substr(start, offset - start), first && start == 0, word);
      start = offset;
      open = group;
    }
    offset += point.size;
  }
}

void TextSplitter::run_cuts(size_t at, std::string_view text, const std::vector<Cut>& cuts, bool first, const Word& word) const {
  const SplitStep& step = stages_[at].step;
  std::vector<Cut> pieces;
  const auto is_match = [&](const Cut& cut) { return cut.match != step.invert; };
  const bool backwards = step.behavior == SplitBehavior::kMergedWithNext;
  bool before = false;
  for (size_t i = 0; i < cuts.size(); ++i) {
    const Cut& cut = cuts[backwards ? cuts.size() - 1 - i : i];
    const bool match = is_match(cut), merging = step.behavior == SplitBehavior::kMergedWithPrevious || backwards;
    if (step.behavior == SplitBehavior::kRemoved && match) continue;
    const bool joins = !pieces.empty() && ((merging && match && !before) || (step.behavior == SplitBehavior::kContiguous && match == before));
    if (!joins) pieces.push_back(cut);
    else if (backwards) pieces.back().begin = cut.begin;
    else pieces.back().end = cut.end;
    before = match;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Cut& piece = pieces[backwards ? pieces.size() - 1 - i : i];
    run(at + 1, text.substr(piece.begin, piece.end - piece.begin), first && piece.begin == 0, word);
  }
}

std::vector<TextSplitter::Cut> TextSplitter::find_cuts(const Stage& stage, std::string_view text) const {
  std::vector<Cut> cuts;
  size_t done = 0;
  const auto add = [&](size_t begin, size_t end) {
    if (begin > done) cuts.push_back({done, begin, false});
    cuts.push_back({begin, end, true});
    done = end;
  };
  if (stage.kind == StageKind::kPattern) {
    for (size_t from = 0, begin = 0, end = 0; stage.pattern->find(text, from, begin, end); from = end) add(begin, end);
  } else if (stage.kind == StageKind::kLiteral) {
    const std::string& literal = stage.step.pattern;
    for (size_t begin = text.find(literal); begin != std::string_view::npos; begin = text.find(literal, done)) add(begin, begin + literal.size());
  } else {
    const bool digits = stage.kind == StageKind::kDigits;
    for (size_t offset = 0; offset < text.size();) {
      const CodePoint point = decode_at(text, offset);
      const size_t end = offset + point.size;
      const bool joins = digits && !stage.step.individual && !cuts.empty() && done == offset && cuts.back().match;
      if (digits ? is_numeric(point.value) : is_bert_punctuation(point.value)) {
        if (joins) cuts.back().end = done = end;
        else add(offset, end);
      }
      offset = end;
    }
  }
  if (done < text.size()) cuts.push_back({done, text.size(), false});
  return cuts;
}

void TextSplitter::run_metaspace(size_t at, std::string_view text, bool first, const Word& word) const {
  const SplitStep& step = stages_[at].step;
  const std::string& mark = step.pattern;
  std::string marked;
  marked.reserve(text.size() + text.size() / 4 + mark.size());
  for (const char c : text) {
    if (c == ' ') marked += mark;
    else marked.push_back(c);
  }
  const bool wanted = step.prepend == PrependScheme::kAlways || (step.prepend == PrependScheme::kFirst && first);
  if (wanted && !marked.starts_with(mark)) marked.insert(0, mark);
  if (!step.splits) return run(at + 1, marked, first, word);
  for (size_t from = 0; from < marked.size();) {
    const size_t next = std::min(marked.find(mark, from + (marked.compare(from, mark.size(), mark) == 0 ? mark.size() : 0)), marked.size());
    run(at + 1, std::string_view(marked).substr(from, next - from), first && from == 0, word);
    from = next;
  }
}

void TextSplitter::run_before_mark(size_t at, std::string_view text, const Word& word) const {
  size_t from = 0;
  for (size_t next = text.find(kSpaceMark); next != std::string_view::npos; next = text.find(kSpaceMark, next + kSpaceMark.size())) {
    const bool leads = next > from && (next - from < kSpaceMark.size() || text.substr(next - kSpaceMark.size(), kSpaceMark.size()) != kSpaceMark);
    if (!leads) continue;
    run(at + 1, text.substr(from, next - from), false, word);
    from = next;
  }
  run(at + 1, text.substr(from), false, word);
}

}  // namespace llmops::text
