// Each step changes the list of texts that the step before has left; without steps they are joined by spaces.
#include "core/text/token_decoder.h"

#include <array>

#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops::text {
namespace {

// Most tokens hold nothing that is replaced.
void replace_in(std::string& text, std::string_view from, std::string_view to) {
  if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
}

void clean_up(std::string& text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kPairs{{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}}};
  for (const auto& [from, to] : kPairs) replace_in(text, from, to);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += text;
  return out;
}

// Bytes of neighbours that are valid UTF-8 together are text, others one U+FFFD each.
void join_bytes(std::vector<std::string>& texts) {
  std::vector<std::string> out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (is_valid_utf8(bytes)) out.push_back(bytes);
    else out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    bytes.clear();
  };
  for (std::string& text : texts) {
    if (const std::optional<uint8_t> byte = byte_of_token(text)) {
      bytes.push_back(static_cast<char>(*byte));
      continue;
    }
    flush();
    out.push_back(std::move(text));
  }
  flush();
  texts = std::move(out);
}

void strip(std::string& text, const DecodeStep& step) {
  if (step.content.empty()) return;
  size_t front = 0;
  for (uint32_t i = 0; i < step.start && std::string_view(text).substr(front).starts_with(step.content); ++i) front += step.content.size();
  text.erase(0, front);
  for (uint32_t i = 0; i < step.stop && text.ends_with(step.content); ++i) text.erase(text.size() - step.content.size());
}

void join_sentence(std::vector<std::string>& texts, bool drops_space) {
  std::string out;
  for (std::string& text : texts) {
    if (const std::optional<uint8_t> byte = byte_of_token(text)) {
      out.push_back(static_cast<char>(*byte));
      continue;
    }
    replace_in(text, kSpaceMark, " ");
    out += text;
  }
  if (drops_space && out.starts_with(' ')) out.erase(0, 1);
  texts = {std::move(out)};
}

void apply(const DecodeStep& step, bool raw_bytes, std::vector<std::string>& texts) {
  switch (step.kind) {
    case DecodeKind::kFuse: texts = {joined(texts)}; return;
    case DecodeKind::kByteFallback: return join_bytes(texts);
    case DecodeKind::kSentence: return join_sentence(texts, step.drops_space);
    default: break;
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string& text = texts[i];
    if (step.kind == DecodeKind::kByteLevel && !raw_bytes) text = bytes_of_token(text).value_or(text);
    if (step.kind == DecodeKind::kReplace) replace_in(text, step.pattern, step.content);
    if (step.kind == DecodeKind::kStrip) strip(text, step);
    if (step.kind == DecodeKind::kMetaspace) replace_in(text, step.pattern, i == 0 && step.drops_space ? "" : " ");
    if (step.kind == DecodeKind::kSuffix) replace_in(text, step.pattern, i + 1 < texts.size() ? " " : "");
    if (step.kind != DecodeKind::kWordPiece) continue;
    if (i > 0 && !step.pattern.empty() && text.starts_with(step.pattern)) text.erase(0, step.pattern.size());
    else if (i > 0) text.insert(0, " ");
    if (step.cleanup) clean_up(text);
  }
}

}  // namespace

TokenDecoder::TokenDecoder(const Vocabulary& vocabulary) : special_(vocabulary.tokens.size()) {
  for (const AddedToken& token : vocabulary.added) if (token.special) special_[static_cast<size_t>(token.id)] = true;
}

std::string TokenDecoder::decode(const Vocabulary& vocabulary, std::span<const int32_t> ids, bool keep_special) const {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const int32_t id : ids) {
    const auto place = static_cast<size_t>(id);
    if (id < 0 || place >= special_.size() || vocabulary.tokens[place].empty() || (special_[place] && !keep_special)) continue;
    texts.push_back(vocabulary.tokens[place]);
  }
  for (const DecodeStep& step : vocabulary.decode) apply(step, vocabulary.raw_bytes, texts);
  if (!vocabulary.decode.empty()) return joined(texts);
  std::string out;
  for (const std::string& text : texts) out.append(out.empty() ? "" : " ").append(text);
  return out;
}

}  // namespace llmops::text
