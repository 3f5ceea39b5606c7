// How many prompts one core renders in a second: a system text, a question and a loop over four retrieved passages, about
// 1 kB of text, parsed once and rendered many times; then the same with filters, and a chat template in compatible mode.
// Usage: jinja_bench [RENDERS]     default 1000000
// Prints renders per second of the process's CPU time, best of five parts.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/text/jinja.h"

namespace {

constexpr const char* kPlain = R"(You are the support assistant of a shop. Answer only from the passages below.
If they do not hold the answer, say that you do not know it.

{% for p in passages %}
[{{ loop.index }}] {{ p.title }}
{{ p.text }}
{% endfor %}
Question: {{ question }}
Answer:)";

constexpr const char* kFiltered = R"(You are the support assistant of {{ shop | default("a shop") | upper }}.
{% if passages | length > 0 %}
{% for p in passages if p.score > 0.1 %}
- {{ p.title | trim }} ({{ p.score | round(2) }}): {{ p.text | replace("\n", " ") }}{{ "," if not loop.last }}
{% endfor %}
{% endif %}
{% set names = passages | map(attribute="title") | join(", ") %}
Passages: {{ names }}
Question: {{ question | trim }}
Answer:)";

constexpr const char* kChat = R"({{ bos_token }}{% for message in messages %}
{% if message['role'] not in ['system', 'user', 'assistant'] %}{{ raise_exception('bad role') }}{% endif %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>' + '\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";

llmops::Json variables() {
  using llmops::Json;
  Json scope = Json::object();
  scope["question"] = "How long do I have to send back a pair of shoes that does not fit?";
  scope["passages"] = Json::array();
  for (int i = 0; i < 4; ++i) {
    Json passage = Json::object();
    passage["id"] = "returns.md#" + std::to_string(i);
    passage["title"] = "Returns, part " + std::to_string(i);
    passage["text"] = "Goods can be sent back within thirty days of their arrival when they were not used. The label in the parcel pays "
                      "for the way back; the money is returned within five days.";
    passage["score"] = 0.875 - 0.125 * i;
    scope["passages"].push_back(std::move(passage));
  }
  scope["bos_token"] = "<s>";
  scope["add_generation_prompt"] = true;
  scope["messages"] = Json::array();
  for (const char* role : {"system", "user", "assistant", "user"}) {
    Json message = Json::object();
    message["role"] = role;
    message["content"] = scope["passages"][0]["text"].get<std::string>();
    scope["messages"].push_back(std::move(message));
  }
  return scope;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int measure(const char* name, const char* source, llmops::TemplateMode mode, long renders) {
  const llmops::Json values = variables();
  auto parsed = llmops::Template::parse(source, {}, mode);
  if (!parsed) return std::printf("%s: %s\n", name, parsed.error().message.c_str()), 1;
  double best = 0;
  size_t bytes = 0;
  for (int part = 0; part < 5; ++part) {
    const double start = cpu_seconds();
    for (long i = 0; i < renders / 5; ++i) {
      llmops::TemplateScope scope;
      for (const auto& [key, value] : values.items()) scope.set(key, &value);
      const auto text = parsed->render(scope);
      if (!text) return std::printf("%s: %s\n", name, text.error().message.c_str()), 1;
      bytes = text->size();
    }
    best = std::max(best, static_cast<double>(renders / 5) / std::max(cpu_seconds() - start, 1e-9));
  }
  std::printf("%-10s %5zu bytes  %9.0f renders/s\n", name, bytes, best);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  long renders = 1'000'000;
  if (argc > 1) {
    const std::string_view text = argv[1];
    std::from_chars(text.data(), text.data() + text.size(), renders);
  }
  return measure("plain", kPlain, llmops::TemplateMode::kStrict, renders) |
         measure("filters", kFiltered, llmops::TemplateMode::kStrict, renders) |
         measure("chat", kChat, llmops::TemplateMode::kCompatible, renders);
}
