// Added tokens are taken out of the text, the rest is normalized and divided into words, and the model makes tokens of each word.
#include "core/text/tokenizer.h"

#include <fmt/format.h>

#include <mutex>

#include "core/text/added_tokens.h"
#include "core/text/token_decoder.h"
#include "core/text/token_normalizer.h"
#include "core/text/token_splitter.h"
#include "core/text/tokenizer_models.h"
#include "core/text/word_cache.h"

namespace llmops {
namespace {

constexpr size_t kLongestWord = size_t{1} << 30, kKeptScratches = 16;

struct Scratch {
  text::WordScratch words;
  text::WordCache cache;
  std::vector<int32_t> ids;
};

// Where tokens go: to the caller's ids, or only to a number.
struct Sink {
  std::vector<int32_t>* ids = nullptr;
  size_t count = 0;
  void add(std::span<const int32_t> more) {
    count += more.size();
    if (ids != nullptr) for (const int32_t id : more) ids->push_back(id);
  }
};

}  // namespace

struct Tokenizer::State {
  State(Vocabulary from, text::TextSplitter pieces, text::TokenNormalizer form, text::WordModel words)
      : vocabulary(std::move(from)), splitter(std::move(pieces)), normalizer(std::move(form)), model(std::move(words)), decoder(vocabulary) {}

  Vocabulary vocabulary;
  text::TextSplitter splitter;
  text::TokenNormalizer normalizer;
  text::WordModel model;
  text::TokenDecoder decoder;
  text::AddedTokens plain, normalized;
  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Scratch>> scratches;   // not in use

  Status add_tokens(const std::string& name);
  std::unique_ptr<Scratch> borrow() const;
  void give_back(std::unique_ptr<Scratch> scratch) const;
  void run(std::string_view text, EncodeOptions options, Sink& sink) const;
  void segment(std::string_view text, bool first, bool special, Scratch& scratch, Sink& sink) const;
  void words(std::string_view text, bool first, Scratch& scratch, Sink& sink) const;
  void word(std::string_view word, Scratch& scratch, Sink& sink) const;
  void encode_word(std::string_view word, Scratch& scratch) const;
};

Status Tokenizer::State::add_tokens(const std::string& name) {
  plain.set_longest_first(vocabulary.longest_added_first);
  for (AddedToken token : vocabulary.added) {
    const bool later = token.normalized && (vocabulary.added_as_written || !normalizer.empty());
    if (later && !vocabulary.added_as_written) token.content = normalizer.apply(token.content, true);
    if (!(later ? normalized : plain).add(token)) return Error(ErrorCode::kData, fmt::format("'{}' has added tokens of more than {} bytes together, or such as collide in a table", name, text::TokenTrie::kMostNodes));
  }
  return {};
}

std::unique_ptr<Scratch> Tokenizer::State::borrow() const {
  {
    const std::lock_guard lock(mutex);
    if (!scratches.empty()) {
      std::unique_ptr<Scratch> scratch = std::move(scratches.back());
      scratches.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void Tokenizer::State::give_back(std::unique_ptr<Scratch> scratch) const {
  constexpr size_t kMostKept = 1 << 20;   // a word of a megabyte has left its arrays behind
  if (scratch->words.starts.capacity() > kMostKept || scratch->words.best.capacity() > kMostKept) scratch->words = {};
  if (scratch->ids.capacity() > kMostKept) scratch->ids = {};
  const std::lock_guard lock(mutex);
  if (scratches.size() < kKeptScratches) scratches.push_back(std::move(scratch));
}

void Tokenizer::State::run(std::string_view text, EncodeOptions options, Sink& sink) const {
  std::unique_ptr<Scratch> scratch = borrow();
  if (options.add_special) sink.add(vocabulary.before);
  size_t done = 0;
  for (const text::AddedTokens::Found& found : plain.find(text, options.parse_special)) {
    segment(text.substr(done, found.begin - done), done == 0, options.parse_special, *scratch, sink);
    sink.add({&found.id, 1});
    done = found.end;
  }
  segment(text.substr(done), done == 0, options.parse_special, *scratch, sink);
  if (options.add_special) sink.add(vocabulary.after);
  give_back(std::move(scratch));
}

void Tokenizer::State::segment(std::string_view text, bool first, bool special, Scratch& scratch, Sink& sink) const {
  if (text.empty()) return;
  if (normalizer.empty() && normalized.empty()) return words(text, first, scratch, sink);
  const std::string form = normalizer.apply(text, first);
  size_t done = 0;
  for (const text::AddedTokens::Found& found : normalized.find(form, special)) {
    words(std::string_view(form).substr(done, found.begin - done), first && done == 0, scratch, sink);
    sink.add({&found.id, 1});
    done = found.end;
  }
  words(std::string_view(form).substr(done), first && done == 0, scratch, sink);
}

void Tokenizer::State::words(std::string_view text, bool first, Scratch& scratch, Sink& sink) const {
  if (const text::WordRules* rules = splitter.only_rules()) {
    for (size_t from = 0; from < text.size();) {
      const size_t end = text::end_of_word(*rules, text, from);
      word(text.substr(from, end - from), scratch, sink);
      from = end;
    }
    return;
  }
  splitter.each(text, first, [&](std::string_view one) { word(one, scratch, sink); });
}

void Tokenizer::State::word(std::string_view one, Scratch& scratch, Sink& sink) const {
  if (one.size() > text::WordCache::kMostBytes) {
    for (size_t from = 0; from < one.size(); from += kLongestWord) {
      encode_word(one.substr(from, kLongestWord), scratch);
      sink.add(scratch.ids);
    }
    return;
  }
  const text::WordCache::Place place = scratch.cache.find(one);
  if (place.hit) return sink.add(place.entry->tokens());
  encode_word(one, scratch);
  text::WordCache::keep(place, scratch.ids);
  sink.add(scratch.ids);
}

void Tokenizer::State::encode_word(std::string_view one, Scratch& scratch) const {
  scratch.ids.clear();
  std::visit([&](const auto& kind) { kind.encode(one, scratch.words, scratch.ids); }, model);
}

Result<Tokenizer> Tokenizer::make(Vocabulary vocabulary, const std::string& shown_name) {
  LLMOPS_ASSIGN(text::TextSplitter splitter, text::TextSplitter::make(vocabulary, shown_name));
  LLMOPS_ASSIGN(text::TokenNormalizer normalizer, text::TokenNormalizer::make(vocabulary, shown_name));
  LLMOPS_ASSIGN(text::WordModel model, text::make_word_model(vocabulary, shown_name));
  vocabulary.merges = {};
  vocabulary.scores = {};
  auto state = std::make_shared<State>(std::move(vocabulary), std::move(splitter), std::move(normalizer), std::move(model));
  LLMOPS_CHECK(state->add_tokens(shown_name));
  return Tokenizer(std::move(state));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  Sink sink{.ids = &ids};
  state_->run(text, options, sink);
  return ids;
}

size_t Tokenizer::count(std::string_view text, EncodeOptions options) const {
  Sink sink;
  state_->run(text, options, sink);
  return sink.count;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool keep_special) const { return state_->decoder.decode(state_->vocabulary, ids, keep_special); }

int32_t Tokenizer::size() const { return static_cast<int32_t>(state_->vocabulary.tokens.size()); }

std::string_view Tokenizer::token_text(int32_t id) const { return id >= 0 && id < size() ? std::string_view(state_->vocabulary.tokens[static_cast<size_t>(id)]) : std::string_view(); }

std::optional<int32_t> Tokenizer::bos() const { return state_->vocabulary.bos_id; }
std::optional<int32_t> Tokenizer::eos() const { return state_->vocabulary.eos_id; }

Result<Tokenizer> open_tokenizer(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(Vocabulary vocabulary, read_vocabulary(path, shown_name));
  return Tokenizer::make(std::move(vocabulary), shown_name);
}

}  // namespace llmops
