// JSON documents of `llmops compress`.
#pragma once

#include "commands/compress/inspect.h"

namespace llmops {

Json compress_inspect_to_json(const CompressInspectReport& report);

}  // namespace llmops
