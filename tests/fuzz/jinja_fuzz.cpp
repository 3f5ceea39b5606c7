// Any text is a template, or an error; every template ends, within its limits, in both modes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text/jinja.h"

namespace {

const llmops::Json& variables() {
  static const llmops::Json value = *llmops::parse_json(
      R"({"name": "Ada", "count": 3, "share": 0.25, "yes": true, "nothing": null, "list": [1, "two", [3], {"four": 4}],
          "object": {"key": "value", "items": 1}, "messages": [{"role": "user", "content": "hi <b>"}]})", "variables");
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  llmops::TemplateLimits limits;
  limits.max_steps = 20'000;
  limits.max_output_bytes = size_t{1} << 20;
  const auto mode = data[0] % 2 == 0 ? llmops::TemplateMode::kStrict : llmops::TemplateMode::kCompatible;
  const auto made = llmops::Template::parse(text, {}, mode, {}, limits);
  if (!made) {
    if (made.error().message.empty()) abort();
    return 0;
  }
  llmops::TemplateScope scope;
  for (const auto& [name, value] : variables().items()) scope.set(name, &value);
  const auto rendered = made->render(scope);
  if (rendered && rendered->size() > limits.max_output_bytes) abort();
  const auto value = made->evaluate(scope);
  if (rendered.has_value() != value.has_value() && made->is_literal()) abort();
  return 0;
}
