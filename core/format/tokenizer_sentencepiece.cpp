// SentencePiece's tokenizer.model: a protobuf of type ModelProto
// (https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto), read field by field
// (https://protobuf.dev/programming-guides/encoding/). What is not needed is passed over.
#include <cmath>
#include <cstring>

#include "core/base/fs.h"
#include "core/format/tokenizer_parts.h"

namespace llmops::tokenizer_files {
namespace {

enum ProtoField : uint64_t { kPieces = 1, kTrainer = 2, kNormalizer = 3 };
enum PieceField : uint64_t { kPieceText = 1, kPieceScore = 2, kPieceType = 3 };
enum TrainerField : uint64_t { kModelType = 3, kWhitespaceAsSuffix = 24, kByteFallback = 35, kBosId = 41, kEosId = 42 };
enum NormalizerField : uint64_t { kCharsmap = 2, kAddDummyPrefix = 3, kRemoveExtraSpaces = 4 };

struct Field {
  uint64_t number = 0, wire = 0, value = 0;   // value: of wire types 0, 1 and 5
  std::string_view bytes;                     // of wire type 2
  bool as_flag() const { return value != 0; }
  int32_t as_int() const { return static_cast<int32_t>(static_cast<uint32_t>(value)); }
};

class Message {
 public:
  Message(std::string_view bytes, const std::string& name) : rest_(bytes), name_(name) {}
  bool done() const { return rest_.empty(); }

  Result<Field> next() {
    Field field;
    LLMOPS_ASSIGN(const uint64_t tag, varint());
    field.number = tag >> 3;
    field.wire = tag & 7;
    if (field.number == 0) return fault(name_, "is no SentencePiece model: it has a field of number 0");
    if (field.wire == 0) {
      LLMOPS_ASSIGN(field.value, varint());
    } else if (field.wire == 1 || field.wire == 5) {
      const size_t size = field.wire == 1 ? 8 : 4;
      LLMOPS_ASSIGN(const std::string_view bytes, take(size));
      std::memcpy(&field.value, bytes.data(), size);
    } else if (field.wire == 2) {
      LLMOPS_ASSIGN(const uint64_t size, varint());
      LLMOPS_ASSIGN(field.bytes, take(size));
    } else {
      return fault(name_, "is no SentencePiece model: it has a field of wire type {}", field.wire);
    }
    return field;
  }

 private:
  Result<std::string_view> take(uint64_t size) {
    if (size > rest_.size()) return fault(name_, "ends inside a field: {} bytes are wanted and {} are left", size, rest_.size());
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      LLMOPS_ASSIGN(const std::string_view byte, take(1));
      const auto part = static_cast<uint64_t>(static_cast<unsigned char>(byte[0]));
      value |= (part & 0x7F) << shift;
      if (part < 0x80) return value;
    }
    return fault(name_, "is no SentencePiece model: it has a number of more than 64 bits");
  }

  std::string_view rest_;
  const std::string& name_;
};

class ModelReader {
 public:
  explicit ModelReader(const std::string& name) : name_(name) {}

  Result<Vocabulary> read(std::string_view bytes) {
    Message message(bytes, name_);
    while (!message.done()) {
      LLMOPS_ASSIGN(const Field field, message.next());
      if (field.wire != 2) continue;
      if (field.number == kPieces) LLMOPS_CHECK(read_piece(field.bytes));
      if (field.number == kTrainer) LLMOPS_CHECK(read_trainer(field.bytes));
      if (field.number == kNormalizer) LLMOPS_CHECK(read_normalizer(field.bytes));
    }
    return finish();
  }

 private:
  Status read_piece(std::string_view bytes) {
    if (made_.tokens.size() >= kMaxTokens) return fault(name_, "has more than {} pieces", kMaxTokens);
    std::string text;
    float score = 0;
    uint64_t type = 1;
    Message message(bytes, name_);
    while (!message.done()) {
      LLMOPS_ASSIGN(const Field field, message.next());
      if (field.number == kPieceText && field.wire == 2) text = field.bytes;
      if (field.number == kPieceType && field.wire == 0) type = field.value;
      if (field.number != kPieceScore || field.wire != 5) continue;
      const auto bits = static_cast<uint32_t>(field.value);
      std::memcpy(&score, &bits, sizeof score);
    }
    const size_t id = made_.tokens.size();
    if (text.empty()) return fault(name_, "has the piece {} without a text", id);
    if (!std::isfinite(score)) return fault(name_, "has the piece '{}' whose score is no number", shown(text));
    constexpr std::array kKinds{TokenKind::kNormal, TokenKind::kUnknown, TokenKind::kControl, TokenKind::kUserDefined, TokenKind::kUnused, TokenKind::kByte};
    if (type < 1 || type > kKinds.size()) return fault(name_, "has the piece '{}' of the unknown type {}", shown(text), type);
    made_.tokens.push_back(std::move(text));
    made_.scores.push_back(score);
    made_.kinds.push_back(kKinds[type - 1]);
    return {};
  }

  Status read_trainer(std::string_view bytes) {
    Message message(bytes, name_);
    while (!message.done()) {
      LLMOPS_ASSIGN(const Field field, message.next());
      if (field.wire != 0) continue;
      if (field.number == kModelType) model_type_ = field.value;
      if (field.number == kWhitespaceAsSuffix) suffix_ = field.as_flag();
      if (field.number == kByteFallback) made_.byte_fallback = field.as_flag();
      if (field.number == kBosId) bos_ = field.as_int();
      if (field.number == kEosId) eos_ = field.as_int();
    }
    return {};
  }

  Status read_normalizer(std::string_view bytes) {
    Message message(bytes, name_);
    while (!message.done()) {
      LLMOPS_ASSIGN(const Field field, message.next());
      if (field.number == kCharsmap && field.wire == 2) charsmap_ = field.bytes;
      if (field.number == kAddDummyPrefix && field.wire == 0) prefix_ = field.as_flag();
      if (field.number == kRemoveExtraSpaces && field.wire == 0) squeeze_ = field.as_flag();
    }
    return {};
  }

  Result<Vocabulary> finish() {
    if (made_.tokens.empty()) return fault(name_, "is no SentencePiece model: it has no pieces");
    if (model_type_ != 1 && model_type_ != 2) return fault(name_, "is a SentencePiece model of type {}, neither unigram (1) nor bpe (2)", model_type_);
    made_.model = model_type_ == 1 ? TokenModel::kUnigram : TokenModel::kScoredBpe;
    made_.fuse_unknown = true;
    made_.added_as_written = true;
    LLMOPS_CHECK(ids_by_text(made_, name_));
    const auto control = [&](int32_t id) -> std::optional<int32_t> {
      const bool there = id >= 0 && static_cast<size_t>(id) < made_.tokens.size() && made_.kinds[static_cast<size_t>(id)] == TokenKind::kControl;
      return there ? std::optional(id) : std::nullopt;
    };
    made_.bos_id = control(bos_);
    made_.eos_id = control(eos_);
    for (size_t i = 0; i < made_.tokens.size(); ++i) {
      const auto id = static_cast<int32_t>(i);
      if (made_.kinds[i] == TokenKind::kUnknown) {
        if (made_.unknown_id) return fault(name_, "has two unknown pieces, {} and {}", *made_.unknown_id, id);
        made_.unknown_id = id;
      }
      if (made_.kinds[i] == TokenKind::kControl) made_.added.push_back({.id = id, .content = made_.tokens[i], .special = true});
      if (made_.kinds[i] == TokenKind::kUserDefined) made_.added.push_back({.id = id, .content = made_.tokens[i], .normalized = true});
    }
    if (!made_.unknown_id) return fault(name_, "has no unknown piece");
    // The file does not say; llama.cpp's rule for both kinds of model.
    if (made_.model == TokenModel::kScoredBpe && made_.bos_id) made_.before = {*made_.bos_id};
    if (made_.model == TokenModel::kUnigram && made_.eos_id) made_.after = {*made_.eos_id};
    add_sentence_steps(made_, {.prefix = prefix_ && !suffix_, .suffix = prefix_ && suffix_, .squeeze = squeeze_, .once = true}, std::string(charsmap_));
    return std::move(made_);
  }

  const std::string& name_;
  Vocabulary made_;
  std::string_view charsmap_;
  uint64_t model_type_ = 1;
  int32_t bos_ = 1, eos_ = 2;
  bool prefix_ = true, suffix_ = false, squeeze_ = true;
};

}  // namespace

Result<Vocabulary> read_sentence_piece(const std::filesystem::path& path, const std::string& name) {
  LLMOPS_ASSIGN(const std::string bytes, read_file(path, kMaxFileBytes));
  return ModelReader(name).read(bytes);
}

}  // namespace llmops::tokenizer_files
