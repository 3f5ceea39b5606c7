#include "commands/external_assets.h"

#include "commands/network.h"

namespace llmops {

Result<ExternalFile> ExternalAssets::get(const AssetSpec& asset) const {
  LLMOPS_CHECK(session_.store(true));
  ExternalOptions options;
  if (const auto endpoint = session_.variable("HF_ENDPOINT"); endpoint && !endpoint->empty()) options.hub_endpoint = *endpoint;
  if (const auto token = session_.variable("HF_TOKEN"); token && !token->empty()) {
    options.hub_token.emplace("HF_TOKEN", *token);
    session_.scrubber().add(*options.hub_token);
  }
  options.retry = retry_policy(session_);
  options.clock = &session_.clock();
  options.note = [this](const std::string& text) { session_.note(text); };
  const ExternalFiles files({session_.root() / ".llmops"}, transport_, std::move(options));
  auto file = files.get(*asset.external, session_.surroundings().cancel);
  if (!file) return std::move(file.error()).at(asset.place);
  return file;
}

}  // namespace llmops
