// The external files of a project's chains, as a command sees them.
#pragma once

#include "commands/session.h"
#include "core/store/external_files.h"

namespace llmops {

class ExternalAssets {
 public:
  // Both must outlive it. HF_ENDPOINT and HF_TOKEN are read here.
  ExternalAssets(Session& session, Transport& transport) : session_(session), transport_(transport) {}

  // The file of an external asset; fetched when it is not in the store, which is made when there is none. Errors, with the place of
  // the asset: kConfig: HF_ENDPOINT is no address; those of ExternalFiles::get.
  Result<ExternalFile> get(const AssetSpec& asset) const;

 private:
  Session& session_;
  Transport& transport_;
};

}  // namespace llmops
