// tokenizer.json of Hugging Face's tokenizers (https://huggingface.co/docs/tokenizers/api/models): the model, the added tokens and what
// is put around a text. A file of another program may leave out what has a default there.
#include <algorithm>
#include <cmath>

#include "core/base/fs.h"
#include "core/format/tokenizer_parts.h"

namespace llmops::tokenizer_files {
namespace {

constexpr size_t kMostAround = 1024;   // ids that a template puts around a text; real ones put a handful

class JsonReader {
 public:
  JsonReader(const Json& root, const std::string& name) : root_(root), name_(name) {}

  Result<Vocabulary> read() {
    if (!root_.is_object() || !root_.contains("model") || !root_["model"].is_object()) return fault(name_, "has no model, as a tokenizer.json has");
    const Json& model = root_["model"];
    LLMOPS_CHECK(read_json_steps(root_, made_, name_));
    const std::string type = model.contains("type") ? text_of(model, "type") : guessed_type(model);
    if (type == "BPE") LLMOPS_CHECK(read_bpe(model));
    else if (type == "Unigram") LLMOPS_CHECK(read_unigram(model));
    else if (type == "WordPiece") LLMOPS_CHECK(read_word_piece(model));
    else if (type == "WordLevel") LLMOPS_CHECK(read_word_level(model));
    else return fault(name_, "has a model of the unknown type '{}'", shown(type));
    if (made_.byte_level && made_.model != TokenModel::kBpe) return fault(name_, "has ByteLevel steps around a {} model, which is not supported", type);
    LLMOPS_CHECK(read_added());
    made_.scores.resize(made_.tokens.size());
    LLMOPS_CHECK(read_post_processor(root_.value("post_processor", Json())));
    return std::move(made_);
  }

 private:
  static std::string guessed_type(const Json& model) {
    if (model.contains("merges")) return "BPE";
    return model.contains("vocab") && model["vocab"].is_array() ? "Unigram" : model.contains("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
  }

  // Ids may leave holes, which added tokens fill, but none so wide that a short file takes much memory.
  Result<int32_t> id_of(const Json& value, size_t count, std::string_view token) const {
    if (!value.is_number_integer() || value < 0) return fault(name_, "has the token '{}' whose id is no whole number", shown(token));
    if (value > 4 * count + (1 << 18) || value >= kMaxTokens) return fault(name_, "has the token '{}' of the id {}, far beyond its {} tokens", shown(token), dump_json(value), count);
    return value.get<int32_t>();
  }

  Status place(int32_t id, const std::string& token, TokenKind kind) {
    const auto at = static_cast<size_t>(id);
    if (at >= made_.tokens.size()) {
      made_.tokens.resize(at + 1);
      made_.kinds.resize(at + 1, TokenKind::kNormal);
    }
    if (!made_.tokens[at].empty() && made_.tokens[at] != token) return fault(name_, "has the id {} twice, for '{}' and '{}'", id, shown(made_.tokens[at]), shown(token));
    made_.tokens[at] = token;
    made_.kinds[at] = kind;
    return {};
  }

  Status read_vocab(const Json& model) {
    const auto vocab = model.find("vocab");
    if (vocab == model.end() || !vocab->is_object()) return fault(name_, "has a model whose vocab is no object");
    if (vocab->size() > kMaxTokens) return fault(name_, "has {} tokens, more than {}", vocab->size(), kMaxTokens);
    for (const auto& [token, value] : vocab->items()) {
      LLMOPS_ASSIGN(const int32_t id, id_of(value, vocab->size(), token));
      LLMOPS_CHECK(place(id, token, TokenKind::kNormal));
    }
    return {};
  }

  // The id of a token named by `key`. Errors: there is none of that text.
  Result<std::optional<int32_t>> named_id(const Json& model, const char* key, const TokenIds& ids) const {
    const std::string token = text_of(model, key);
    if (token.empty()) return std::optional<int32_t>();
    const auto found = ids.find(token);
    if (found == ids.end()) return fault(name_, "names '{}' as its {}, which is no token", shown(token), key);
    return std::optional(found->second);
  }

  Status read_merges(const Json& merges, const TokenIds& ids) {
    if (!merges.is_array()) return fault(name_, "has merges that are no array");
    made_.merges.reserve(merges.size());
    for (const Json& merge : merges) {
      if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        LLMOPS_CHECK(add_merge(made_, ids, merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(), name_));
        continue;
      }
      if (!merge.is_string()) return fault(name_, "has a merge that is neither a text nor two of them");
      const std::string_view text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return fault(name_, "has the merge '{}' that is not two tokens with a space between", shown(text));
      LLMOPS_CHECK(add_merge(made_, ids, text.substr(0, space), text.substr(space + 1), name_));
    }
    return {};
  }

  Status read_bpe(const Json& model) {
    made_.model = TokenModel::kBpe;
    LLMOPS_CHECK(read_vocab(model));
    const auto dropout = model.find("dropout");
    if (dropout != model.end() && dropout->is_number() && *dropout != 0) return fault(name_, "drops merges by chance ({}), which gives no stable tokens", dump_json(*dropout));
    made_.word_prefix = text_of(model, "continuing_subword_prefix");
    made_.word_suffix = text_of(model, "end_of_word_suffix");
    made_.byte_fallback = flag_of(model, "byte_fallback");
    made_.ignore_merges = flag_of(model, "ignore_merges");
    made_.fuse_unknown = flag_of(model, "fuse_unk");
    LLMOPS_ASSIGN(const TokenIds ids, ids_by_text(made_, name_));
    // A file may name an unknown token that only the added tokens hold.
    if (const auto found = ids.find(text_of(model, "unk_token")); found != ids.end()) made_.unknown_id = found->second;
    return read_merges(model.value("merges", Json::array()), ids);
  }

  Status read_unigram(const Json& model) {
    made_.model = TokenModel::kUnigram;
    const auto vocab = model.find("vocab");
    if (vocab == model.end() || !vocab->is_array()) return fault(name_, "has a Unigram model whose vocab is no array");
    if (vocab->size() > kMaxTokens) return fault(name_, "has {} tokens, more than {}", vocab->size(), kMaxTokens);
    for (const Json& entry : *vocab) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) return fault(name_, "has the vocab entry {} that is not a token and its score", shown(dump_json(entry)));
      made_.tokens.push_back(entry[0].get<std::string>());
      made_.scores.push_back(entry[1].get<float>());
      if (!std::isfinite(made_.scores.back())) return fault(name_, "has the token '{}' whose score {} is out of range", shown(made_.tokens.back()), dump_json(entry[1]));
    }
    made_.kinds.assign(made_.tokens.size(), TokenKind::kNormal);
    made_.byte_fallback = flag_of(model, "byte_fallback");
    made_.fuse_unknown = true;
    LLMOPS_CHECK(ids_by_text(made_, name_));
    const auto unknown = model.find("unk_id");
    if (unknown == model.end() || unknown->is_null()) return {};
    if (!unknown->is_number_integer() || *unknown < 0 || *unknown >= made_.tokens.size()) return fault(name_, "names {} as the id of its unknown token, of {} tokens", dump_json(*unknown), made_.tokens.size());
    made_.unknown_id = unknown->get<int32_t>();
    made_.kinds[static_cast<size_t>(*made_.unknown_id)] = TokenKind::kUnknown;
    return {};
  }

  Status read_word_piece(const Json& model) {
    made_.model = TokenModel::kWordPiece;
    LLMOPS_CHECK(read_vocab(model));
    made_.word_prefix = model.contains("continuing_subword_prefix") ? text_of(model, "continuing_subword_prefix") : "##";
    const Json most = model.value("max_input_chars_per_word", Json(100));
    if (!most.is_number_integer() || most < 1 || most > 1'000'000) return fault(name_, "has {} as max_input_chars_per_word", dump_json(most));
    made_.max_word_characters = most.get<uint32_t>();
    return read_unknown(model, "[UNK]");
  }

  Status read_word_level(const Json& model) {
    made_.model = TokenModel::kWordLevel;
    LLMOPS_CHECK(read_vocab(model));
    return read_unknown(model, "<unk>");
  }

  Status read_unknown(const Json& model, const char* otherwise) {
    LLMOPS_ASSIGN(const TokenIds ids, ids_by_text(made_, name_));
    const Json named = model.contains("unk_token") ? model : Json{{"unk_token", otherwise}};
    LLMOPS_ASSIGN(made_.unknown_id, named_id(named, "unk_token", ids));
    if (!made_.unknown_id) return fault(name_, "has a model without an unk_token");
    return {};
  }

  Status read_added() {
    const Json list = root_.value("added_tokens", Json::array());
    if (!list.is_array() && !list.is_null()) return fault(name_, "has added_tokens that are no array");
    std::unordered_map<std::string, int32_t> ids;
    for (size_t id = 0; id < made_.tokens.size(); ++id) {
      if (!made_.tokens[id].empty()) ids.emplace(made_.tokens[id], static_cast<int32_t>(id));
    }
    const size_t count = made_.tokens.size() + list.size();
    for (const Json& entry : list) {
      AddedToken token;
      token.content = entry.is_object() ? text_of(entry, "content") : std::string();
      if (token.content.empty()) return fault(name_, "has an added token without content");
      LLMOPS_CHECK(check_length(token.content, name_));
      LLMOPS_ASSIGN(token.id, id_of(entry.value("id", Json()), count, token.content));
      // The model's own id wins over the one in the list, as in tokenizers.
      if (const auto known = ids.find(token.content); known != ids.end()) token.id = known->second;
      token.special = flag_of(entry, "special");
      token.single_word = flag_of(entry, "single_word");
      token.strips_left = flag_of(entry, "lstrip");
      token.strips_right = flag_of(entry, "rstrip");
      token.normalized = flag_of(entry, "normalized", !token.special);
      LLMOPS_CHECK(place(token.id, token.content, token.special ? TokenKind::kControl : TokenKind::kUserDefined));
      ids.emplace(token.content, token.id);
      made_.added.push_back(std::move(token));
    }
    return {};
  }

  Status check_ids(const std::vector<int32_t>& ids) const {
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<size_t>(id) >= made_.tokens.size()) return fault(name_, "puts the id {} around a text, of {} tokens", id, made_.tokens.size());
    }
    return {};
  }

  Status read_template(const Json& post) {
    const Json single = post.value("single", Json()), special = post.value("special_tokens", Json::object());
    if (!single.is_array() || !special.is_object()) return fault(name_, "has a TemplateProcessing without a template of a single text");
    std::vector<int32_t> before, after;
    bool behind = false;
    for (const Json& piece : single) {
      if (piece.is_object() && piece.contains("Sequence")) { behind = true; continue; }
      const std::string id = piece.is_object() && piece.contains("SpecialToken") && piece["SpecialToken"].is_object() ? text_of(piece["SpecialToken"], "id") : std::string();
      const auto token = special.find(id);
      const Json ids = token != special.end() && token->is_object() ? token->value("ids", Json()) : Json();
      if (ids.size() > kMostAround || before.size() + after.size() > kMostAround) return fault(name_, "has a template of more than {} ids", kMostAround);
      if (!ids.is_array()) return fault(name_, "has a template with the special token '{}' that it does not define", shown(id));
      for (const Json& value : ids) {
        if (!value.is_number_integer() || value < 0 || value > kMaxTokens) return fault(name_, "has a template with the id {}", shown(dump_json(value)));
        (behind ? after : before).push_back(value.get<int32_t>());
      }
    }
    return put_around(before, after);
  }

  Status put_around(const std::vector<int32_t>& before, const std::vector<int32_t>& after) {
    LLMOPS_CHECK(check_ids(before));
    LLMOPS_CHECK(check_ids(after));
    made_.before.insert(made_.before.begin(), before.begin(), before.end());
    made_.after.insert(made_.after.end(), after.begin(), after.end());
    if (made_.before.size() + made_.after.size() > kMostAround) return fault(name_, "puts more than {} ids around a text", kMostAround);
    return {};
  }

  // BertProcessing, RobertaProcessing: [token, id] of the ends.
  Status read_pair(const Json& post) {
    std::vector<int32_t> ids;
    for (const char* key : {"cls", "sep"}) {
      const Json pair = post.value(key, Json());
      if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_integer() || pair[1] < 0 || pair[1] > kMaxTokens) return fault(name_, "has a post_processor whose {} is not a token and its id", key);
      ids.push_back(pair[1].get<int32_t>());
    }
    return put_around({ids[0]}, {ids[1]});
  }

  Status read_post_processor(const Json& post) {
    if (post.is_null()) return {};
    const std::string type = post.is_object() ? text_of(post, "type") : std::string();
    if (type == "TemplateProcessing") return read_template(post);
    if (type == "BertProcessing" || type == "RobertaProcessing") return read_pair(post);
    if (type == "ByteLevel") return {};
    if (type != "Sequence" || !post.contains("processors") || !post["processors"].is_array()) return fault(name_, "has a post_processor of the unknown type '{}'", shown(type));
    for (const Json& one : post["processors"]) {
      if (one.is_object() && text_of(one, "type") == "Sequence") return fault(name_, "has a post_processor with sequences in sequences");
      LLMOPS_CHECK(read_post_processor(one));
    }
    return {};
  }

  const Json& root_;
  const std::string& name_;
  Vocabulary made_;
};

// The texts of bos_token and eos_token stand in the file beside it, as a text or as an added token.
Status read_config(const fs::path& path, Vocabulary& vocabulary) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return {};
  LLMOPS_ASSIGN(const std::string text, read_file(path, kMaxFileBytes));
  LLMOPS_ASSIGN(const Json config, parse_json(text, path.filename().string()));
  if (!config.is_object()) return {};
  const auto find = [&](const char* key) -> std::optional<int32_t> {
    Json token = config.value(key, Json());
    if (token.is_object()) token = token.value("content", Json());
    if (!token.is_string()) return std::nullopt;
    const auto& tokens = vocabulary.tokens;
    const auto found = std::find(tokens.begin(), tokens.end(), token.get_ref<const std::string&>());
    return found == tokens.end() || found->empty() ? std::nullopt : std::optional(static_cast<int32_t>(found - tokens.begin()));
  };
  vocabulary.bos_id = find("bos_token");
  vocabulary.eos_id = find("eos_token");
  return {};
}

}  // namespace

Result<Vocabulary> read_tokenizer_json(const std::filesystem::path& path, const std::string& name) {
  LLMOPS_ASSIGN(const std::string text, read_file(path, kMaxFileBytes));
  LLMOPS_ASSIGN(const Json root, parse_json(text, name));
  LLMOPS_ASSIGN(Vocabulary made, JsonReader(root, name).read());
  LLMOPS_CHECK(read_config(path.parent_path() / "tokenizer_config.json", made));
  if (!made.bos_id && !made.before.empty()) made.bos_id = made.before.front();
  if (!made.eos_id && !made.after.empty()) made.eos_id = made.after.back();
  return made;
}

}  // namespace llmops::tokenizer_files
