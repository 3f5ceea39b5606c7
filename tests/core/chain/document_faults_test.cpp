// Every key of a chain, with values of every wrong type, left out and misspelt: an error with place and hint, or an
// acceptance that is listed here with its reason.
#include "tests/core/chain/document_faults.h"

#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Every key that a chain may have, with a right value.
Json whole_chain() {
  return Json::parse(R"json({
    "llmops": "chain/v1", "name": "demo", "description": "words", "inputs": ["question", "history"],
    "models": {
      "main": {"provider": "openai", "model": "m", "params": {"temperature": 0}, "base_url": "http://127.0.0.1:1/v1", "api_key": "${env:KEY}",
               "headers": {"X-Team": "a"}, "query": {"api-version": "b"}, "price": {"input": 1, "output": 2, "cache_read": 0.5}, "timeout_s": 5,
               "rate_limit": {"requests_per_minute": 60}},
      "own": {"provider": "exec", "argv": ["./tool.sh"], "persistent": true, "max_output": "1MiB"},
      "canned": {"provider": "replay", "path": "replies.jsonl", "key": "/key", "reply": "/output", "match": "{{ question }}"}},
    "assets": {
      "kb": {"kind": "grounding", "path": "kb.md"}, "shots": {"kind": "few-shot", "path": "shots.jsonl"}, "system": {"kind": "conditioning-prompt", "path": "system.md"},
      "far": {"kind": "corpus", "uri": "https://example.org/x", "sha256": "abababababababababababababababababababababababababababababababab", "etag": "c", "revision": "d", "copy": false},
      "lora": {"kind": "adapter", "path": "lora.bin", "base": "llama"}},
    "tools": {"lookup": {"argv": ["./tool.sh"], "description": "find", "input_schema": "schema.json", "timeout_s": 3, "persistent": false, "max_output": "1MiB"}},
    "steps": [
      {"id": "find", "when": "{{ question }}", "retrieve": {"from": "kb", "query": "{{ question }}", "top_k": 3, "method": "bm25", "chunk": {"by": "size", "size": 50, "overlap": 5}}},
      {"id": "answer", "model": "main", "messages": [{"role": "system", "asset": "system"}, {"history": "{{ history }}"}, {"role": "user", "content": "{{ question }}"}, {"role": "user", "file": "system.md"}],
       "few_shot": {"from": "shots", "k": 2, "select": "first"}, "response": {"json_schema": "schema.json"}, "tools": ["lookup"]},
      {"id": "short", "model": "own", "prompt": "{{ question }}"},
      {"id": "again", "model": "canned", "prompt": "{{ question }}"},
      {"id": "parse", "extract": {"from": "{{ steps.answer.output }}", "json": true, "schema": "schema.json"}},
      {"id": "match", "extract": {"from": "{{ steps.answer.output }}", "regex": "(a)", "group": 1, "match": "last"}},
      {"id": "pick", "extract": {"from": "{{ steps.answer.output }}", "choice": ["yes", "no"]}},
      {"id": "parts", "for_each": "{{ history }}", "template": "{{ item }}"},
      {"id": "code", "exec": {"argv": ["./tool.sh"], "timeout_s": 3, "persistent": false, "max_output": "1MiB"}}],
    "output": "{{ steps.answer.output }}"})json");
}

struct FaultFolder : ChainFolder {
  FaultFolder() {
    for (const char* path : {"kb.md", "system.md", "lora.bin", "tool.sh"}) dir.write(path, "plain text");
    dir.write("replies.jsonl", "{\"key\": \"a\", \"output\": \"b\"}\n");
    dir.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n");
    dir.write("schema.json", "{\"type\": \"object\"}");
  }
  std::optional<Error> operator()(const std::string& text) const {
    const auto chain = load(text);
    return chain ? std::nullopt : std::optional<Error>(chain.error());
  }
};

}  // namespace

TEST_CASE("a chain with a value of another type is refused with place and hint") {
  const FaultFolder folder;
  const auto load = [&](const std::string& text) { return folder(text); };
  REQUIRE_FALSE(load(dump_json_pretty(whole_chain())));
  const std::set<std::string> expected = {
      "/description empty", "/tools/lookup/description empty",                                                // no words are words enough
      "/models/main/params mapping", "/models/main/params/temperature empty", "/models/main/params/temperature list",   // the server's own business
      "/models/main/params/temperature mapping", "/models/main/params/temperature null", "/models/main/headers/X-Team empty",
      "/models/main/query mapping", "/models/main/query/api-version empty", "/models/main/query/api-version number",
      "/models/canned/key empty", "/models/canned/reply empty",                                               // the whole row
      "/models/own/max_output number", "/steps/8/exec/max_output number", "/tools/lookup/max_output number",  // bytes
      "/steps/1/messages/2/content empty", "/steps/7/template empty",                                         // a text may be empty
  };
  CHECK(accepted_wrong_values(whole_chain(), load) == expected);
}

TEST_CASE("a chain with a misspelt key is told the right one") {
  const FaultFolder folder;
  // Names that the writer chose: what uses them is told, when something does.
  const std::set<std::string> expected = {"/models/main unknown model 'main'", "/models/own unknown model 'own'", "/models/canned unknown model 'canned'", "/models/main/headers/X-Team",
                                          "/models/main/params/temperature", "/models/main/query/api-version", "/assets/kb unknown asset 'kb'", "/assets/shots unknown asset 'shots'",
                                          "/assets/system unknown asset 'system'", "/assets/far", "/assets/lora", "/tools/lookup unknown tool 'lookup'"};
  CHECK(unnoticed_misspellings(whole_chain(), [&](const std::string& text) { return folder(text); }) == expected);
}

TEST_CASE("a chain may lack these keys, and lacks any other with place and hint") {
  const FaultFolder folder;
  const std::set<std::string> expected = {
      "/description", "/models/main/params", "/models/main/params/temperature", "/models/main/base_url", "/models/main/api_key", "/models/main/headers", "/models/main/headers/X-Team",
      "/models/main/query", "/models/main/query/api-version", "/models/main/price", "/models/main/price/cache_read", "/models/main/timeout_s", "/models/main/rate_limit",
      "/models/own/persistent", "/models/own/max_output", "/models/canned/key", "/models/canned/reply", "/models/canned/match",
      "/assets/far", "/assets/far/sha256", "/assets/far/etag", "/assets/far/revision", "/assets/far/copy", "/assets/lora", "/assets/lora/base",   // one pin of three is enough
      "/tools/lookup/description", "/tools/lookup/input_schema", "/tools/lookup/timeout_s", "/tools/lookup/persistent", "/tools/lookup/max_output",
      "/steps/0/when", "/steps/0/retrieve/top_k", "/steps/0/retrieve/method", "/steps/0/retrieve/chunk", "/steps/0/retrieve/chunk/by", "/steps/0/retrieve/chunk/size",
      "/steps/0/retrieve/chunk/overlap", "/steps/1/few_shot", "/steps/1/few_shot/k", "/steps/1/few_shot/select", "/steps/1/response", "/steps/1/tools",
      "/steps/4/extract/schema", "/steps/5/extract/group", "/steps/5/extract/match", "/steps/8/exec/timeout_s", "/steps/8/exec/persistent", "/steps/8/exec/max_output"};
  CHECK(optional_keys(whole_chain(), [&](const std::string& text) { return folder(text); }) == expected);
}
